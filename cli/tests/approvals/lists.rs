//! Requests on one line each.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::service::{Service, TICKET, about, question, reply};

/// A request to this host, under this ticket.
fn to(host: &str, ticket: &str) -> (String, String) {
    let mut asked = question(json!({ "text": "" }));
    asked["request"]["authority"] = json!(host);
    let asked = asked.to_string();
    let mut about = about(&asked);
    about["ticket"] = json!(ticket);
    (ticket.to_owned(), reply(&about, &asked))
}

const OTHER: &str = "7b000000000000000000000000000000";
const LINES: [&str; 2] = [
    "3f2a00000000  pending, 1 to approve, medium, until 2023-11-14 22:13:20 UTC  prod  Agent::\"deployer\" \
     Deploy::Action::\"create\" Deploy::Environment::\"production\"  POST deploy.example/deployments?env=production",
    "7b0000000000  pending, 1 to approve, medium, until 2023-11-14 22:13:20 UTC  prod  Agent::\"deployer\" \
     Deploy::Action::\"create\" Deploy::Environment::\"production\"  ⟨look-alike host?⟩ POST dеploy.example/deployments?env=production",
];

#[test]
fn lists_name_the_audience_and_mark_hosts_that_are_not_what_they_seem() {
    let service = Service::saying(vec![to("deploy.example", TICKET), to("dеploy.example", OTHER)]);
    assert_eq!(service.said(&["ls"]), LINES.map(|line| format!("{line}\n")).concat());
    for host in ["xn--dploy-3of.example", "a.XN--b.example", "ｄeploy.example"] {
        let service = Service::saying(vec![to(host, TICKET)]);
        assert!(service.said(&["ls"]).contains("⟨look-alike host?⟩ POST"), "{host}");
    }
    let forged = Service::saying(vec![to("a⟨look-alike host?⟩.example", TICKET)]).said(&["ls"]);
    assert!(forged.contains("⟨look-alike host?⟩ POST a⟨U+27E8⟩look-alike host?⟩.example"), "{forged}");
    let lines = service.said(&["ls", "--json"]);
    let audiences =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["audience"].clone());
    assert_eq!(audiences.collect::<Vec<_>>(), ["prod", "prod"]);
    assert!(service.said(&["show", TICKET]).contains("\naudience  prod\n"));
}

#[test]
fn a_watch_prints_each_request_once_as_it_comes() {
    let service = Service::saying(vec![to("deploy.example", TICKET)]);
    let mut watch = service.command(&["watch"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), LINES[0]);
    service.script.lock().unwrap().requests.push(to("dеploy.example", OTHER));
    service.tell();
    assert_eq!(lines.next().unwrap().unwrap(), LINES[1]);
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(lines.next().is_none(), "nothing else was printed");
}

#[test]
fn the_beginning_of_a_ticket_names_one_request_or_none() {
    let service =
        Service::saying(vec![to("deploy.example", TICKET), to("b.example", &TICKET.replace("aa", "ab"))]);
    assert!(service.said(&["show", TICKET]).contains(TICKET));
    assert!(service.refused(&["show", "3f2a"], 1).contains("2 requests begin with `3f2a`"));
    assert!(service.refused(&["show", "9"], 1).contains("no request that you may see begins with `9`"));
    assert!(service.refused(&["show", "../x"], 2).contains("is no ticket"));
    assert!(service.refused(&["show", OTHER], 1).contains("there is no such request (not_found)"));
}
