//! Fuzzes the target `protobuf`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    countersign_fuzz_targets::run("protobuf", input);
});
