//! An HTTP request as text, so that inputs can be read and written by hand.

/// The bytes up to a line feed, and those behind it.
pub(crate) fn line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, b""),
    }
}

/// Header fields in order.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Header fields, `name: value` a line, whatever their bytes; and what follows the first empty line.
pub(crate) fn fields(mut input: &[u8]) -> (Fields, &[u8]) {
    let mut fields = Vec::new();
    while !input.is_empty() {
        let (field, rest) = line(input);
        input = rest;
        if field.is_empty() {
            break;
        }
        // The colon of a pseudo-header does not end its name.
        let colon = field.iter().skip(1).position(|byte| *byte == b':').map(|at| at + 1);
        let (name, value) = field.split_at(colon.unwrap_or(field.len()));
        fields.push((name.to_vec(), value.get(1..).unwrap_or_default().trim_ascii().to_vec()));
    }
    (fields, input)
}
