//! The wire format of Protocol Buffers, read strictly (<https://protobuf.dev/programming-guides/encoding/>).

/// A field's value as it stands on the wire, before it has a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The largest number of a field.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// The fields of a message in their order, each with its number; the first that cannot be read ends it, with the reason
/// as the end of a sentence.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u32, Wire<'a>), &'static str> {
        let tag = varint(&mut self.rest)?;
        let number = tag >> 3;
        if !(1..=MAX_NUMBER).contains(&number) {
            return Err("has a field whose number is none");
        }
        let wire = match tag & 7 {
            0 => Wire::Varint(varint(&mut self.rest)?),
            1 => Wire::Fixed64(u64::from_le_bytes(fixed(&mut self.rest)?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).map_err(|_| CUT)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
                self.rest = rest;
                Wire::Bytes(bytes)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(fixed(&mut self.rest)?)),
            // Groups have not been written since 2008, and parsers differ in how they skip them.
            3 | 4 => return Err("has a group, which is not read"),
            _ => return Err("has a field of no known kind"),
        };
        u32::try_from(number).map(|number| (number, wire)).map_err(|_| CUT)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// What is wrong with a message whose last field is not there in full.
const CUT: &str = "is cut short";

/// The next number of at most 64 bits. Leading zeros are one spelling more, but all parsers read the same number.
pub(crate) fn varint(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value: u64 = 0;
    for place in 0..10 {
        let (byte, after) = rest.split_first().ok_or(CUT)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit: some drop what is beyond, some refuse it.
        if place == 9 && bits > 1 {
            break;
        }
        value |= bits << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("has a number of more than 64 bits")
}

/// The next `N` bytes.
pub(crate) fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (bytes, after) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = after;
    Ok(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &[u8]) -> Result<Vec<(u32, Wire<'_>)>, &'static str> {
        Fields::of(message).collect()
    }

    #[test]
    fn each_kind_of_field_is_read() {
        let message = b"\x08\x96\x01\x11\x01\0\0\0\0\0\0\0\x1a\x02ab\x25\x02\0\0\0";
        let expected =
            [(1, Wire::Varint(150)), (2, Wire::Fixed64(1)), (3, Wire::Bytes(b"ab")), (4, Wire::Fixed32(2))];
        assert_eq!(fields(message), Ok(expected.to_vec()));
    }

    #[test]
    fn what_parsers_could_read_differently_is_refused() {
        for (message, why) in [
            (&b"\x08"[..], CUT),
            (b"\x08\x80", CUT),
            (b"\x12\x03ab", CUT),
            (b"\x0d\0\0", CUT),
            (b"\x00\x01", "has a field whose number is none"),
            (b"\x80\x80\x80\x80\x10\x01", "has a field whose number is none"),
            (b"\x0b\x0c", "has a group, which is not read"),
            (b"\x0e", "has a field of no known kind"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "has a number of more than 64 bits"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", "has a number of more than 64 bits"),
        ] {
            assert_eq!(fields(message), Err(why), "{message:?}");
        }
        assert_eq!(
            fields(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Ok(vec![(1, Wire::Varint(u64::MAX))])
        );
    }
}
