//! The mails that the sink took. Sends none.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::Stack;
use crate::http::client;

/// The sink's API.
pub struct Mails {
    api: String,
    http: reqwest::Client,
}

/// Mails of one page of the sink's list.
const PAGE: usize = 1_000;

impl Mails {
    /// Of this stack.
    pub fn of(stack: &Stack) -> Self {
        Self { api: stack.mail_api.clone(), http: client().clone() }
    }

    /// How often each Message-ID was taken, of those that end so: with the sender's domain.
    pub async fn counts(&self, domain: &str) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        // What comes in meanwhile moves mails to the next page, where they are listed again.
        let mut seen = HashSet::new();
        for mail in self.listed().await {
            let id = text(&mail["MessageID"]);
            if id.ends_with(domain) && seen.insert(text(&mail["ID"])) {
                *counts.entry(id).or_default() += 1;
            }
        }
        counts
    }

    /// The whole mails to this address, newest first. Looks at the newest page only: a storm leaves
    /// tens of thousands behind, and whoever waits for a mail asks again and again.
    pub async fn to(&self, recipient: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for mail in self.page(0).await {
            if mail["To"][0]["Address"] == recipient {
                found.push(self.get(&format!("/api/v1/message/{}", text(&mail["ID"]))).await);
            }
        }
        found
    }

    /// Every mail of the sink: other tests' too.
    async fn listed(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let mails = self.page(all.len()).await;
            let is_last = mails.len() < PAGE;
            all.extend(mails);
            if is_last {
                return all;
            }
        }
    }

    async fn page(&self, start: usize) -> Vec<Value> {
        let path = format!("/api/v1/messages?start={start}&limit={PAGE}");
        let mut page = self.get(&path).await;
        serde_json::from_value(page["messages"].take()).unwrap()
    }

    /// From now on the sink keeps mails to this recipient and breaks the connection after a while
    /// instead of answering 250.
    pub async fn lose_the_answer_to(&self, recipient: &str, after_ms: u32) {
        let fault =
            json!({ "mode": "drop", "stage": "data", "delay_ms": after_ms, "match": recipient });
        self.put(fault).await;
    }

    /// From now on the sink behaves like this: see scripts/lib/smtp_sink/behaviour.py.
    pub async fn misbehave(&self, behaviour: Value) {
        self.put(behaviour).await;
    }

    /// From now on the sink behaves.
    pub async fn behave(&self) {
        self.put(json!({ "mode": "ok" })).await;
    }

    async fn put(&self, behaviour: Value) {
        let url = format!("{}/api/v1/behaviour", self.api);
        let answer = self.http.put(url).body(behaviour.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{behaviour}");
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.api)).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
