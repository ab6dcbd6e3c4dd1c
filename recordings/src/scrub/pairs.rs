//! Queries and forms: `name=value` joined by `&`, percent-encoded (application/x-www-form-urlencoded).

use percent_encoding::percent_decode;

/// What is between the characters that separate things in a URL or a form.
const SEPARATORS: &[u8] = b"?&=;,/ \"'<>\r\n";

/// `text` with new values for the parameters that `value` gives one for; it is asked by decoded name and value. All
/// other bytes stay. None when nothing is new.
pub(super) fn replace(text: &[u8], mut value: impl FnMut(&str, &[u8]) -> Option<String>) -> Option<Vec<u8>> {
    let mut is_new = false;
    let mut pair = |pair: &[u8]| -> Vec<u8> {
        let Some(at) = pair.iter().position(|&byte| byte == b'=') else { return pair.to_vec() };
        let (name, rest) = pair.split_at_checked(at + 1).unwrap_or((pair, &[]));
        let decoded = String::from_utf8_lossy(&decode(name.strip_suffix(b"=").unwrap_or(name))).into_owned();
        match value(&decoded, &decode(rest)) {
            Some(new) => {
                is_new = true;
                [name, new.as_bytes()].concat()
            }
            None => pair.to_vec(),
        }
    };
    let out: Vec<_> = text.split(|&byte| byte == b'&').map(&mut pair).collect();
    is_new.then(|| out.join(&b'&'))
}

/// Percent-decoded, `+` as a space.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).collect()
}

/// `text` with each piece that is percent-encoded and for which `new` gives something else, given decoded bytes.
/// None when nothing is new.
pub(super) fn replace_encoded(text: &[u8], new: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut is_new = false;
    for piece in text.split_inclusive(|byte| SEPARATORS.contains(byte)) {
        let (piece, separator) = match piece.split_last() {
            Some((last, before)) if SEPARATORS.contains(last) => (before, Some(*last)),
            _ => (piece, None),
        };
        let encoded = piece.contains(&b'%') || piece.contains(&b'+');
        match encoded.then(|| new(&decode(piece))).flatten() {
            Some(decoded) => {
                is_new = true;
                out.extend(form_urlencoded::byte_serialize(&decoded).flat_map(str::bytes));
            }
            None => out.extend_from_slice(piece),
        }
        out.extend(separator);
    }
    is_new.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_that_is_new_changes() {
        let value = |name: &str, value: &[u8]| {
            (name == "tok en").then(|| format!("new{}", String::from_utf8_lossy(value).len()))
        };
        let out = replace(b"a=%2f&&tok+en=a%20b=c&b&tok%20en=", value).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a=%2f&&tok+en=new5&b&tok%20en=new0");
        assert!(replace(b"a=1", value).is_none());
    }

    #[test]
    fn encoded_pieces_are_found() {
        let new = |decoded: &[u8]| (decoded == b"a/b c").then(|| b"x".to_vec());
        assert_eq!(replace_encoded(b"/p/a%2Fb+c?q=a%2fb%20c&r=%20", new).unwrap(), b"/p/x?q=x&r=%20");
    }
}
