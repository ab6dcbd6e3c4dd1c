//! What an approver does with a browser.

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::harness::{PASSWORD, gate, question};
use crate::site::Site;

/// A request that `group` of the provider may approve.
pub(crate) fn gated(site: &Site, group: &str) -> Value {
    let issuer = &site.provider().issuer;
    let mut gate = gate(group, 1);
    gate["group"]["issuer"] = json!(issuer);
    let mut asked = question();
    asked["gates"] = json!([gate]);
    asked["involved"][1]["names"] = json!([{ "issuer": issuer, "subject": "oda" }]);
    asked
}

/// A request that needs a second factor.
pub(crate) fn high(mut asked: Value) -> Value {
    asked["terms"]["severity"] = json!("high");
    asked
}

/// A request that two of `sre` may approve, or one of `dba` alone.
pub(crate) fn glazed() -> Value {
    let mut gate = gate("sre", 2);
    gate["break_glass"] = json!({ "group": { "issuer": "local", "id": "dba" }, "group_name": "dba" });
    let mut asked = question();
    asked["gates"] = json!([gate]);
    asked
}

impl Browser {
    /// Opens the request that is shown alone, with a passkey.
    pub(crate) async fn break_the_glass(&self, why: &str) {
        self.click("details:has([value=break_glass]) > summary").await;
        let form = "form[data-passkey=get]:has([value=break_glass])";
        self.fill(&format!("{form} textarea"), why).await;
        self.click(&format!("{form} button")).await;
        self.reads("The glass was broken").await;
    }

    /// Fills in the provider's pages.
    pub(crate) async fn at_the_provider(&self, name: &str) {
        self.fill("input[name=login]", name).await;
        self.fill("input[name=password]", "whatever").await;
        self.click("button[type=submit]").await;
        // It asks whether the service may know.
        self.reads("Authorize").await;
        self.click("button[type=submit]").await;
    }

    /// Logs somebody in whom the provider does not know yet in this browser.
    pub(crate) async fn log_in_at_the_provider(&self, site: &Site, name: &str) {
        self.goto(&site.at("/login")).await;
        self.click("a[href^='/login/oidc']").await;
        self.at_the_provider(name).await;
        self.arrive("/inbox").await;
    }

    /// Logs somebody in with a password, and a code where there is one.
    pub(crate) async fn log_in(&self, site: &Site, user: &str, code: &str) {
        self.goto(&site.at("/login")).await;
        self.give_password(user, code).await;
        self.arrive("/inbox").await;
    }

    /// Fills in the page to log in with.
    pub(crate) async fn give_password(&self, user: &str, code: &str) {
        self.fill("input[name=user]", user).await;
        self.fill("input[name=password]", PASSWORD).await;
        self.fill("input[name=totp]", code).await;
        self.click("button.primary, form button").await;
    }

    /// Adds a passkey on the account's page.
    pub(crate) async fn add_passkey(&self, site: &Site, name: &str) {
        self.goto(&site.at("/account")).await;
        self.fill("input[name=name]", name).await;
        self.click("form[data-passkey=create] button").await;
        self.reads(&format!("{name}\nsince")).await;
    }
}
