//! The voice function: what a person says, once it is proven who they are. It binds every other function, and none
//! of them may say it.

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::contract::{Say, VoiceAnswer, VoiceRequest};
use eks_upgrade_core::control::{self, Answered, Approval, Consent, ConsentScope, KillSwitch, NotCounted};
use eks_upgrade_core::door::Reach;
use eks_upgrade_core::ids::{ApprovalId, ConsentId, Principal};
use eks_upgrade_core::policy::Spoke;
use eks_upgrade_core::text::unfit_reason;
use eks_upgrade_core::waits::later;
use jiff::Timestamp;

use crate::error::{Answer, PipelineError};
use crate::ports::{Hears, Identifies, NotKept, Time, Unproven, Wakes};

/// The use case.
pub struct Voice<L, W, I, T> {
    /// What people have said.
    pub said: L,
    /// Waking who waits for an answer.
    pub wakes: W,
    /// Telling who speaks.
    pub identities: I,
    /// The clock.
    pub time: T,
    /// Where this runs.
    pub home: Home,
    /// What the function that this runs in is called.
    pub name: String,
    /// The accounts that are reached from there, whose people may speak too.
    pub spokes: Vec<Spoke>,
}

/// How long a consent may hold, in seconds: 5 minutes to 30 days.
const EXPIRES_S: std::ops::RangeInclusive<u32> = 300..=30 * 86_400;
/// How long the words may be for what is consented to, in characters: a finding and its subject, or a name.
const SCOPE_CHARS_MAX: usize = 300;

impl<L: Hears, W: Wakes, I: Identifies, T: Time> Voice<L, W, I, T> {
    /// Takes in one thing that is said.
    pub async fn hear(&self, request: &VoiceRequest) -> Answer<VoiceAnswer> {
        let VoiceRequest { proof, say } = request;
        // Nothing is asked of STS for what may not be said by anybody.
        check_reason(say)?;
        check_scope(say)?;
        let by = match self.identities.verify(proof, &self.home.function(&self.name), &say.text()).await {
            Ok(by) => by,
            Err(Unproven::Refused(why)) => return Err(PipelineError::Unproven(why)),
            Err(Unproven::Down(down)) => return Err(down.into()),
        };
        self.may_speak(&by)?;
        tracing::info!(%by, say = %say.text(), "said");
        let now = self.time.now();
        match say {
            Say::Approve { id, reason } => self.answer(id, control::Answer::Approve, reason, by, now).await,
            Say::Reject { id, reason } => self.answer(id, control::Answer::Reject, reason, by, now).await,
            Say::Consent { cluster, scope, expires_s, reason } => {
                self.consent(cluster, scope, *expires_s, reason, by, now).await
            }
            Say::Revoke { cluster, id, .. } => self.revoke(cluster, id, by, now).await,
            Say::Throw { reason } => self.switch(true, reason, by, now).await,
            Say::Lift { reason } => self.switch(false, reason, by, now).await,
            Say::Approvals {} => self.approvals(by, now).await,
        }
    }

    /// Only people of this account and of the spokes'.
    fn may_speak(&self, by: &Principal) -> Answer<()> {
        let mut parts = by.as_str().split(':').skip(1);
        let (partition, account) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
        let known = account == self.home.account.as_str()
            || self.spokes.iter().any(|spoke| spoke.account.as_str() == account);
        if known && partition == self.home.partition {
            return Ok(());
        }
        tracing::warn!(%by, "refused to hear");
        let text = format!(
            "{by} is of another account than this deployment ({}) and the spokes of its policy",
            self.home.account
        );
        Err(NotCounted::Foreign(text).into())
    }

    async fn answer(
        &self,
        id: &ApprovalId,
        answer: control::Answer,
        reason: &str,
        by: Principal,
        at: Timestamp,
    ) -> Answer<VoiceAnswer> {
        let answered = Answered { answer, by: by.clone(), reason: reason.to_owned(), at };
        let (approval, token) = self.said.answer(id, answered.clone()).await.map_err(not_kept)?;
        let mut text = match answer {
            control::Answer::Approve => format!("approved: {}", approval.before),
            control::Answer::Reject => format!("rejected: {}", approval.before),
        };
        if let Some(token) = token
            && let Err(down) = self.wakes.wake(&token, &answered).await
        {
            // The answer is kept: who asked looks again by itself.
            tracing::warn!(approval = %id, %down, "could not wake who waits for the answer");
            text.push_str("; who waits for it could not be woken, and sees it at its next look");
        }
        Ok(VoiceAnswer { approvals: vec![approval], ..plain(text, by) })
    }

    async fn consent(
        &self,
        cluster: &ClusterArn,
        scope: &ConsentScope,
        expires_s: u32,
        reason: &str,
        by: Principal,
        at: Timestamp,
    ) -> Answer<VoiceAnswer> {
        self.within_reach(cluster)?;
        if !EXPIRES_S.contains(&expires_s) {
            let text = format!("a consent holds for 5 minutes to 30 days, not for {expires_s} seconds");
            return Err(PipelineError::NotSayable(text));
        }
        if let ConsentScope::Override { finding, .. } = scope
            && !finding.may_be_judged()
        {
            let text = format!(
                "{finding} cannot be overridden: EKS or Kubernetes itself refuses what it stands for, or nodes \
                 would be lost; do what the finding says instead"
            );
            return Err(PipelineError::NotSayable(text));
        }
        let id = ConsentId::of(&[&cluster.to_string(), &scope.to_string(), by.as_str(), &at.to_string()]);
        let consent = Consent {
            id: id.clone(),
            cluster: cluster.clone(),
            scope: scope.clone(),
            by: by.clone(),
            reason: reason.to_owned(),
            at,
            expires_at: later(at, expires_s),
        };
        self.said.consent(&consent).await?;
        let text = format!("{id}: consent to {scope} of {} until {}", cluster.name, consent.expires_at);
        Ok(VoiceAnswer { consent: Some(id), ..plain(text, by) })
    }

    async fn revoke(
        &self,
        cluster: &ClusterArn,
        id: &ConsentId,
        by: Principal,
        at: Timestamp,
    ) -> Answer<VoiceAnswer> {
        if self.said.revoke(cluster, id, at).await? {
            return Ok(plain(format!("{id} is revoked; what was begun under it goes on to its end"), by));
        }
        Err(PipelineError::NotSayable(format!("there is no consent {id} for {cluster}")))
    }

    async fn switch(&self, thrown: bool, reason: &str, by: Principal, at: Timestamp) -> Answer<VoiceAnswer> {
        // Who throws it does not wait for what was there to be read.
        if !thrown && self.said.kill_switch().await?.is_none_or(|switch| !switch.thrown) {
            return Ok(plain("the kill switch is not thrown: nothing to lift".into(), by));
        }
        let switch = KillSwitch { thrown, by: by.clone(), reason: reason.to_owned(), at };
        self.said.put_switch(&switch).await?;
        let text = if thrown {
            "the kill switch is thrown: no further mutating call is made; updates that run are watched to their end"
        } else {
            "the kill switch is lifted: runs go on at their next look"
        };
        Ok(plain(text.into(), by))
    }

    async fn approvals(&self, by: Principal, now: Timestamp) -> Answer<VoiceAnswer> {
        let approvals: Vec<Approval> = self.said.open_approvals(now).await?;
        let text = match approvals.len() {
            0 => "no approval is wanted".to_owned(),
            1 => "1 approval is wanted".to_owned(),
            more => format!("{more} approvals are wanted"),
        };
        Ok(VoiceAnswer { approvals, ..plain(text, by) })
    }

    fn within_reach(&self, cluster: &ClusterArn) -> Answer<()> {
        Ok(Reach { home: &self.home, spokes: &self.spokes }.check(cluster)?)
    }
}

fn plain(text: String, principal: Principal) -> VoiceAnswer {
    VoiceAnswer { text, principal, approvals: Vec::new(), consent: None }
}

fn not_kept(why: NotKept) -> PipelineError {
    match why {
        NotKept::NotCounted(why) => why.into(),
        NotKept::Down(down) => down.into(),
    }
}

fn check_reason(say: &Say) -> Answer<()> {
    let Some(reason) = say.reason() else { return Ok(()) };
    unfit_reason(reason).map_or(Ok(()), |unfit| Err(PipelineError::NotSayable(unfit)))
}

fn check_scope(say: &Say) -> Answer<()> {
    let Say::Consent { scope, .. } = say else { return Ok(()) };
    if scope.to_string().chars().count() <= SCOPE_CHARS_MAX {
        return Ok(());
    }
    let text = format!("say what is consented to in at most {SCOPE_CHARS_MAX} characters");
    Err(PipelineError::NotSayable(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use eks_upgrade_core::contract::Proof;
    use eks_upgrade_core::control::Subject;
    use eks_upgrade_core::finding::Code;
    use eks_upgrade_core::ids::TaskToken;

    use super::*;
    use crate::memory::Memory;
    use crate::ports::{EksDown, Said};

    struct At(Timestamp);

    impl Time for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    /// Believes a proof's URL to be the speaker's ARN, and `nobody` to be no proof.
    struct Believing;

    impl Identifies for Believing {
        async fn verify(&self, proof: &Proof, to: &str, _: &str) -> Result<Principal, Unproven> {
            assert_eq!(to, VOICE);
            proof.url.parse().map_err(|_| Unproven::Refused("no proof".into()))
        }
    }

    #[derive(Default)]
    struct Bell {
        rung: Mutex<Vec<String>>,
        broken: bool,
    }

    impl Wakes for &Bell {
        async fn wake(&self, token: &TaskToken, _: &Answered) -> Result<(), EksDown> {
            if self.broken {
                let why = "no answer".into();
                return Err(EksDown { operation: "states:SendTaskSuccess", denied: false, why });
            }
            self.rung.lock().unwrap().push(token.0.clone());
            Ok(())
        }
    }

    const VOICE: &str = "arn:aws:lambda:us-east-1:123456789012:function:eks-upgrade-voice";
    const ADA: &str = "arn:aws:iam::123456789012:user/ada";

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn spoke() -> Spoke {
        Spoke {
            account: "222222222222".parse().unwrap(),
            regions: vec!["eu-west-1".parse().unwrap()],
            role: "eks-upgrade-spoke".into(),
            external_id: "x".into(),
        }
    }

    async fn hear(memory: &Memory, bell: &Bell, by: &str, say: Say) -> Answer<VoiceAnswer> {
        let voice = Voice {
            said: memory,
            wakes: bell,
            identities: Believing,
            time: At(now()),
            home: Home::of_arn(VOICE).unwrap(),
            name: "eks-upgrade-voice".into(),
            spokes: vec![spoke()],
        };
        voice.hear(&VoiceRequest { proof: Proof { url: by.to_owned() }, say }).await
    }

    async fn name_of(by: &str, say: Say) -> &'static str {
        let heard = hear(&Memory::default(), &Bell::default(), by, say).await;
        heard.map_or_else(|error| error.name(), |_| "heard")
    }

    fn throw() -> Say {
        Say::Throw { reason: "drill".into() }
    }

    fn consent(cluster: &str, scope: ConsentScope, expires_s: u32) -> Say {
        Say::Consent { cluster: cluster.parse().unwrap(), scope, expires_s, reason: "checked".into() }
    }

    const CLUSTER: &str = "arn:aws:eks:us-east-1:123456789012:cluster/prod-a";

    #[tokio::test]
    async fn only_people_of_the_accounts_within_reach_are_heard() {
        for (by, name) in [
            (ADA, "heard"),
            ("arn:aws:sts::222222222222:assumed-role/ops/ada", "heard"),
            ("arn:aws:iam::999999999999:user/eve", "NotCounted"),
            ("arn:aws-cn:iam::123456789012:user/eve", "NotCounted"),
            ("nobody at all", "Unproven"),
        ] {
            assert_eq!(name_of(by, throw()).await, name, "{by}");
        }
    }

    #[tokio::test]
    async fn what_is_said_without_a_reason_is_not_heard() {
        for reason in [String::new(), "  ".into(), "x".repeat(501)] {
            assert_eq!(name_of(ADA, Say::Throw { reason }).await, "NotSayable");
        }
        assert_eq!(name_of(ADA, Say::Approvals {}).await, "heard");
    }

    #[tokio::test]
    async fn a_consent_is_for_a_cluster_within_reach_for_a_while_and_for_what_may_be() {
        let unwell = |finding| ConsentScope::Override { finding, subject: None };
        for (say, name) in [
            (consent(CLUSTER, ConsentScope::RollBack, 300), "heard"),
            (consent(CLUSTER, ConsentScope::RollBack, 299), "NotSayable"),
            (consent(CLUSTER, ConsentScope::RollBack, 30 * 86_400 + 1), "NotSayable"),
            (consent(CLUSTER, ConsentScope::Force { node_group: "x".repeat(300) }, 3_600), "NotSayable"),
            (consent(CLUSTER, unwell(Code::ClusterUnwell), 3_600), "heard"),
            (consent(CLUSTER, unwell(Code::SkewExceeded), 3_600), "NotSayable"),
            (consent("arn:aws:eks:eu-west-1:222222222222:cluster/a", ConsentScope::RollBack, 300), "heard"),
            (
                consent("arn:aws:eks:us-east-1:222222222222:cluster/a", ConsentScope::RollBack, 300),
                "WrongRegion",
            ),
            (
                consent("arn:aws:eks:us-east-1:999999999999:cluster/a", ConsentScope::RollBack, 300),
                "WrongAccount",
            ),
        ] {
            assert_eq!(name_of(ADA, say.clone()).await, name, "{say:?}");
        }
    }

    #[tokio::test]
    async fn a_consent_names_its_speaker_and_ends_when_it_is_revoked() {
        let (memory, bell) = (Memory::default(), Bell::default());
        let heard = hear(&memory, &bell, ADA, consent(CLUSTER, ConsentScope::RollBack, 3_600)).await.unwrap();
        let id = heard.consent.unwrap();
        let cluster: ClusterArn = CLUSTER.parse().unwrap();
        let given = (&memory).consents(&cluster).await.unwrap();
        assert_eq!((given[0].by.as_str(), given[0].expires_at), (ADA, later(now(), 3_600)));
        let revoke = |id: ConsentId| Say::Revoke { cluster: cluster.clone(), id, reason: "no".into() };
        hear(&memory, &bell, ADA, revoke(id)).await.unwrap();
        assert_eq!((&memory).consents(&cluster).await.unwrap()[0].expires_at, now());
        let unknown = hear(&memory, &bell, ADA, revoke("co-0".parse().unwrap())).await;
        assert_eq!(unknown.unwrap_err().name(), "NotSayable");
    }

    #[tokio::test]
    async fn the_first_answer_counts_and_wakes_who_asked() {
        let (memory, bell) = (Memory::default(), Bell::default());
        let id: ApprovalId = "ap-5f0c2a91d3e4".parse().unwrap();
        let approval = Approval {
            id: id.clone(),
            subject: Subject::Run { run: "a-1.35-1".parse().unwrap(), cluster: CLUSTER.parse().unwrap() },
            before: "control plane 1.34 → 1.35 of prod-a".into(),
            asked_at: now(),
            expires_at: later(now(), 3_600),
            answered: None,
        };
        (&memory).ask(&approval, Some(&TaskToken("bell".into()))).await.unwrap();
        let listed = hear(&memory, &bell, ADA, Say::Approvals {}).await.unwrap();
        assert_eq!(listed.approvals, [approval]);
        let approve = Say::Approve { id: id.clone(), reason: "tested in dev".into() };
        let heard = hear(&memory, &bell, ADA, approve).await.unwrap();
        assert!(heard.text.starts_with("approved: control plane"), "{}", heard.text);
        assert_eq!(*bell.rung.lock().unwrap(), ["bell"]);
        let late = hear(&memory, &bell, ADA, Say::Reject { id, reason: "wait".into() }).await.unwrap_err();
        assert_eq!(late.name(), "NotCounted");
        assert!(late.to_string().contains("approved by"), "{late}");
        let listed = hear(&memory, &bell, ADA, Say::Approvals {}).await.unwrap();
        assert!(listed.approvals.is_empty());
    }

    #[tokio::test]
    async fn an_answer_is_kept_though_nobody_can_be_woken() {
        let (memory, bell) = (Memory::default(), Bell { broken: true, ..Bell::default() });
        let id: ApprovalId = "ap-5f0c2a91d3e4".parse().unwrap();
        let approval = Approval {
            id: id.clone(),
            subject: Subject::Campaign { campaign: "sweep-1".parse().unwrap() },
            before: "campaign sweep-1".into(),
            asked_at: now(),
            expires_at: later(now(), 3_600),
            answered: None,
        };
        (&memory).ask(&approval, Some(&TaskToken("bell".into()))).await.unwrap();
        let say = Say::Reject { id: id.clone(), reason: "freeze".into() };
        let heard = hear(&memory, &bell, ADA, say).await.unwrap();
        assert!(heard.text.contains("could not be woken"), "{}", heard.text);
        assert!((&memory).approval(&id).await.unwrap().unwrap().answered.is_some());
    }

    #[tokio::test]
    async fn the_kill_switch_is_thrown_and_lifted_by_name() {
        let (memory, bell) = (Memory::default(), Bell::default());
        let lift = || Say::Lift { reason: "over".into() };
        let heard = hear(&memory, &bell, ADA, lift()).await.unwrap();
        assert!(heard.text.contains("nothing to lift"), "{}", heard.text);
        hear(&memory, &bell, ADA, throw()).await.unwrap();
        let switch = (&memory).kill_switch().await.unwrap().unwrap();
        assert!(switch.thrown && switch.by.as_str() == ADA && switch.reason == "drill");
        hear(&memory, &bell, ADA, lift()).await.unwrap();
        assert!(!(&memory).kill_switch().await.unwrap().unwrap().thrown);
    }
}
