//! What people say to a deployment: the kill switch, consents, answers.

use eks_upgrade_core::control::{Answer, Answered, Consent, ConsentScope, KillSwitch};
use eks_upgrade_core::ids::{ApprovalId, Principal, TaskToken};
use eks_upgrade_pipeline::ports::{Hears, NotKept, Time};
use serde_json::json;

use crate::faults::finish;
use crate::fleet::{Fleet, home};
use crate::word;

/// Who says it.
#[must_use]
pub fn ada() -> Principal {
    word("arn:aws:sts::123456789012:assumed-role/sre/ada@example.com")
}

impl Fleet {
    /// Throws the kill switch, or lifts it.
    pub fn switch(&self, thrown: bool) {
        let reason = if thrown { "an incident" } else { "over" }.to_owned();
        let switch = KillSwitch { thrown, by: ada(), reason, at: self.clock.now() };
        self.table.memory.kept().switch = Some(switch);
    }

    /// Consents to something on a cluster for so many hours.
    pub fn consent(&self, cluster: &str, scope: ConsentScope, hours: i64) {
        let at = self.clock.now();
        let consent = Consent {
            id: word(&format!("co-{}", self.table.memory.kept().consents.len() + 1)),
            cluster: home().cluster(&word(cluster)),
            scope,
            by: ada(),
            reason: "looked at it".into(),
            at,
            expires_at: at + jiff::SignedDuration::from_hours(hours),
        };
        self.table.memory.kept().consents.push(consent);
    }

    /// The questions that are open.
    #[must_use]
    pub fn questions(&self) -> Vec<ApprovalId> {
        let open = finish((&self.table.memory).open_approvals(self.clock.now()));
        open.expect("memory does not wait").expect("memory is up").into_iter().map(|open| open.id).collect()
    }

    /// Answers the one question that is open, and wakes whoever waits for it.
    pub fn answer(&self, answer: Answer) {
        if let Some(TaskToken(token)) = self.answer_quietly(answer).expect("it counts") {
            self.send_task_success(&token, json!({"answered": true})).expect("somebody waits");
        }
    }

    /// The same, and the word that wakes is lost.
    pub fn answer_quietly(&self, answer: Answer) -> Result<Option<TaskToken>, NotKept> {
        let questions = self.questions();
        let [question] = &questions[..] else { panic!("{} questions are open", questions.len()) };
        let answered = Answered { answer, by: ada(), reason: "looked at it".into(), at: self.clock.now() };
        let kept = finish((&self.table.memory).answer(question, answered)).expect("memory does not wait");
        kept.map(|(_, token)| token)
    }
}
