//! A story that a test tells: a world, and the instant it is in.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests; not each test needs all")]

use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_sim::{Request, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A world and the instant it is in.
pub struct Story {
    pub world: World,
    pub now: Timestamp,
}

impl Story {
    /// Clusters as the fleet file has them, further top-level fields after them.
    pub fn of(fleet: &str) -> Self {
        let text = format!("start: 2026-08-18T09:15:00Z\n{fleet}");
        let fleet = Fleet::parse(&text).unwrap();
        let now = fleet.start;
        Self { world: World::new(fleet, now), now }
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            ..Request::default()
        };
        let response = self.world.handle(self.now, &request);
        (response.status, serde_json::from_str(&response.body).unwrap())
    }

    pub fn read(&mut self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub fn start(&mut self, path: &str, body: &Value) -> String {
        let (status, body) = self.call("POST", path, body);
        assert_eq!(status, 200, "{path}: {body}");
        body["update"]["id"].as_str().unwrap().to_owned()
    }

    pub fn cluster(&mut self) -> Value {
        self.world.advance(self.now);
        self.world.state()["clusters"]["a"].clone()
    }

    /// Goes from one event of the world to the next until nothing is left to happen.
    pub fn settle(&mut self, mut each: impl FnMut(&Value)) {
        while let Some(next) = self.world.next_event() {
            self.now = self.now.max(next);
            each(&self.cluster());
        }
    }

    /// Upgrades or rolls back the cluster `a` and waits for it; gives the update.
    pub fn go(&mut self, body: &Value) -> Value {
        let id = self.start("/clusters/a/updates", body);
        self.settle(|_| ());
        self.read(&format!("/clusters/a/updates/{id}"))["update"].clone()
    }

    /// Type and words with which an update of the cluster `a` is refused.
    pub fn refused(&mut self, body: &Value) -> String {
        let (status, answer) = self.call("POST", "/clusters/a/updates", body);
        assert!(status >= 400, "{answer}");
        format!("{status} {}", answer["message"].as_str().unwrap())
    }

    /// Insights of the cluster `a` in that category: `NAME STATUS`.
    pub fn insights(&mut self, category: &str) -> Vec<String> {
        let filter = json!({"filter": {"categories": [category]}});
        let (_, body) = self.call("POST", "/clusters/a/insights", &filter);
        let insights = body["insights"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        insights
            .iter()
            .map(|insight| {
                format!("{} {}", text(&insight["name"]), text(&insight["insightStatus"]["status"]))
            })
            .collect()
    }

    /// What somebody does.
    pub fn act(&mut self, act: &Value) -> u16 {
        self.world.control(self.now, "POST", "/_sim/act", act.to_string().as_bytes()).status
    }
}
