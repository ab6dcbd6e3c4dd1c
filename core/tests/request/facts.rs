//! Facts beyond one value: sets, records, entities in sets, and forms.

use crate::support::{map, request, routes};

const ROUTES: &str = r#"
routes:
  - match: { host: api.example, path: /query }
    action: Action::"tag"
    resource: File::"q"
    context:
      tags: { from: "query:tag", type: Set<String>, optional: true }
      levels: { from: "query:level", type: Set<Long>, optional: true }
      owners: { from: "header:x-owners", type: Set<User>, optional: true }
  - match: { host: api.example, path: /json }
    action: Action::"tag"
    resource: File::"{body:/id}"
    context:
      levels: { from: "body:/levels", type: Set<Long>, optional: true }
      owners: { from: "body:/owners", type: Set<User>, optional: true }
      target:
        optional: true
        fields:
          name: { from: "body:/target/name", type: String }
          port: { from: "query:port", type: Long, optional: true }
  - match: { host: api.example, path: /form }
    action: Action::"tag"
    resource: File::"{form:id}"
    context:
      tags: { from: "form:tag", type: Set<String>, optional: true }
      note: { from: "form:note", type: String }
  - match: { host: api.example, path: /parts }
    action: Action::"tag"
    resource: File::"{filename:file}"
    context:
      tags: { from: "parts", type: Set<String>, optional: true }
      levels: { from: "filesize:file", type: Set<Long>, optional: true }
      note: { from: "part:note", type: String, optional: true }
"#;

/// Path, header fields and body of a request.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

const FORM: &str = "application/x-www-form-urlencoded";

fn answer(path: &str, fields: &[(&str, &str)], body: &str) -> String {
    let mut facts = request("POST", path, fields);
    facts.body = Some(body.as_bytes().to_vec());
    match map(&routes(ROUTES), &facts) {
        Ok((_, mapped)) => format!("{} {:?}", mapped.resource.id, mapped.context),
        Err(denial) => format!("{}: {}", denial.reason.meaning().code, denial.detail),
    }
}

#[test]
fn sets_and_records() {
    let json = &[("content-type", "application/json")][..];
    let amazon = &[("content-type", "application/x-amz-json-1.1")][..];
    let long = format!("/query?{}", "tag=a&".repeat(1001));
    let cases: &[Case<'_>] = &[
        ("/query?tag=a&tag=b%20c&level=1&level=-2", &[("x-owners", "ana, bob"), ("x-owners", "cyd")], ""),
        ("/query?tag", &[], ""),
        ("/query?level=1&level=x", &[], ""),
        ("/query?tag=a&Tag=b", &[], ""),
        (&long, &[], ""),
        ("/json?port=80", json, r#"{"id":1,"levels":[1,2],"owners":["ana",7],"target":{"name":"n"}}"#),
        ("/json", json, r#"{"id":1,"target":{"name":"n","Port":1}}"#),
        ("/json", amazon, r#"{"id":1,"target":null}"#),
        ("/json?port=80", json, r#"{"id":1}"#),
        ("/json", json, r#"{"id":1,"target":{"name":7}}"#),
        ("/json", json, r#"{"id":1,"levels":[1.5]}"#),
        ("/json", json, r#"{"id":1,"owners":["ana",""]}"#),
        ("/json", json, r#"{"id":1,"owners":"ana"}"#),
    ];
    insta::assert_snapshot!(answers(cases));
}

#[test]
fn forms() {
    let form = &[("content-type", FORM)][..];
    let many = format!("id=1&note=n{}", "&a".repeat(999));
    let cases: &[Case<'_>] = &[
        ("/form", form, "id=1&note=a+b%2Bc&tag=x&tag=y"),
        ("/form", &[("content-type", "application/x-www-form-urlencoded; charset=UTF-8")], "note=&%69d=1"),
        ("/form", form, "id=1"),
        ("/form", form, ""),
        ("/form", form, "id=1&note=a&note=b"),
        ("/form", form, "id=1&note=a&Note=b"),
        ("/form", form, "id=1;note=a"),
        ("/form", form, "id=1&note=%zz"),
        ("/form", form, "id=1&note=%00"),
        ("/form", form, "id=1&note=%ff"),
        ("/form", form, "id=1&note=é"),
        ("/form", form, &many),
        ("/form", &[("content-type", "application/json")], "id=1&note=n"),
        ("/form", &[("content-type", "application/x-www-form-urlencoded;charset=latin1")], "id=1&note=n"),
        ("/form", &[("content-type", FORM), ("content-encoding", "gzip")], "id=1&note=n"),
        ("/form", &[], "id=1&note=n"),
    ];
    insta::assert_snapshot!(answers(cases));
}

#[test]
fn multipart() {
    let kind = &[("content-type", "multipart/form-data; boundary=b")][..];
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"";
    let note = "Content-Disposition: form-data; name=\"note\"";
    let body = |parts: &[(&str, &str)]| {
        let part = |(head, text): &(&str, &str)| format!("--b\r\n{head}\r\n\r\n{text}\r\n");
        parts.iter().map(part).collect::<String>() + "--b--\r\n"
    };
    let other = note.replace("note", "Note");
    let bodies = [
        body(&[(note, "n\r\n"), (file, "12345")]),
        body(&[(file, "12345")]),
        body(&[(file, "1"), (file, "22")]),
        body(&[(note, "n")]),
        body(&[(note, "n"), (&other, "m"), (file, "1")]),
        body(&[(&file.replace("\"file\"", "\"note\""), "n"), (file, "1")]),
        body(&[(&note.replace("note", "file"), "n")]),
        body(&[(note, "n\0"), (file, "1")]),
        String::new(),
    ];
    let mut cases: Vec<Case<'_>> = bodies.iter().map(|body| ("/parts", kind, body.as_str())).collect();
    cases.push(("/parts", &[("content-type", FORM)], "note=n"));
    insta::assert_snapshot!(answers(&cases));
}

fn answers(cases: &[Case<'_>]) -> String {
    let one = |(path, fields, body): &Case<'_>| {
        let told: String = format!("{path} {fields:?} {}", body.escape_debug()).chars().take(120).collect();
        format!("{told}\n    {}\n", answer(path, fields, body))
    };
    cases.iter().map(one).collect()
}
