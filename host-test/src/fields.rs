//! Header and trailer fields as Envoy keeps them: ordered pairs, names in lower case.

use wasmtime::{Result, bail};

use crate::cluster::Fields;

/// Fields in the ABI's form: their number, the sizes of all, then each name and value with a zero byte after it.
/// Numbers are 32 bits, little-endian.
pub(crate) fn write(fields: &Fields) -> Vec<u8> {
    if fields.is_empty() {
        return Vec::new();
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    let mut out = Vec::with_capacity(bytes + 4);
    let number = |out: &mut Vec<u8>, value: usize| {
        out.extend(u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    };
    number(&mut out, fields.len());
    for (name, value) in fields {
        number(&mut out, name.len());
        number(&mut out, value.len());
    }
    for (name, value) in fields {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

/// Most fields that are read (proxy-wasm-cpp-host, `limits.h`).
const MOST: usize = 1024;
/// Most bytes that are read as fields.
const MOST_BYTES: usize = 1 << 20;

/// Whether a map that a filter adds to is still one that a gateway would send.
///
/// # Errors
/// What is too much.
pub(crate) fn check(fields: &Fields) -> Result<()> {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if fields.len() > MOST || bytes > MOST_BYTES {
        bail!("a map of more than {MOST} fields or {MOST_BYTES} bytes");
    }
    Ok(())
}

/// Reads the ABI's form. As in Envoy, what cannot be read is no fields.
pub(crate) fn read(bytes: &[u8]) -> Fields {
    read_all(bytes).unwrap_or_default()
}

fn read_all(bytes: &[u8]) -> Option<Fields> {
    let (count, mut rest) = number(bytes)?;
    if bytes.len() > MOST_BYTES || count > MOST || count > rest.len() / 8 {
        return None;
    }
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, after) = number(rest)?;
        let (value, after) = number(after)?;
        sizes.push((name, value));
        rest = after;
    }
    let mut fields = Fields::with_capacity(count);
    for (name, value) in sizes {
        let (name, after) = part(rest, name)?;
        let (value, after) = part(after, value)?;
        fields.push((name, value));
        rest = after;
    }
    rest.is_empty().then_some(fields)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn part(bytes: &[u8], size: usize) -> Option<(Vec<u8>, &[u8])> {
    let (part, rest) = bytes.split_at_checked(size)?;
    let (end, rest) = rest.split_first()?;
    (*end == 0).then(|| (part.into(), rest))
}

/// The first value of a field.
pub(crate) fn first<'a>(fields: &'a Fields, name: &[u8]) -> Option<&'a [u8]> {
    fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
}

/// Adds a field at the end, beside others of its name.
pub(crate) fn add(fields: &mut Fields, name: &[u8], value: &[u8]) {
    fields.push((name.to_ascii_lowercase(), value.into()));
}

/// Takes away every field of a name.
pub(crate) fn remove(fields: &mut Fields, name: &[u8]) {
    fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
}

/// Gives a field one value: its first place keeps it, others of its name go.
pub(crate) fn set(fields: &mut Fields, name: &[u8], value: &[u8]) {
    let place = fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some(place) = place else { return add(fields, name, value) };
    let mut number = 0;
    fields.retain(|(known, _)| {
        number += 1;
        number - 1 == place || !known.eq_ignore_ascii_case(name)
    });
    if let Some((_, old)) = fields.get_mut(place) {
        *old = value.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let fields = fields(&[(":path", "/a"), ("x", ""), ("x", "2")]);
        assert_eq!(read(&write(&fields)), fields);
        assert!(write(&Fields::new()).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let whole = write(&fields(&[("name", "value")]));
        for size in 0..whole.len() {
            assert_eq!(read(&whole[..size]), Fields::new(), "{size}");
        }
        assert_eq!(read(&[255; 64]), Fields::new());
        assert_eq!(read(&[&whole[..], b"\0"].concat()), Fields::new());
        let unended = [&whole[..whole.len() - 1], b"!"].concat();
        assert_eq!(read(&unended), Fields::new());
        let many = |count: usize| vec![(b"n".to_vec(), Vec::new()); count];
        assert_eq!(read(&write(&many(MOST))).len(), MOST);
        assert_eq!(read(&write(&many(MOST + 1))), Fields::new());
    }

    #[test]
    fn a_field_that_is_set_is_there_once() {
        let mut changed = fields(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]);
        set(&mut changed, b"A", b"5");
        assert_eq!(changed, fields(&[("a", "5"), ("b", "2"), ("c", "4")]));
        set(&mut changed, b"D", b"6");
        remove(&mut changed, b"B");
        assert_eq!(changed, fields(&[("a", "5"), ("c", "4"), ("d", "6")]));
    }
}
