//! `docs/events.md` against the types: every event has an example there, and each example is one.

use std::collections::BTreeMap;
use std::path::Path;

use eks_upgrade_core::news::{
    ApprovalWanted, Blocked, CampaignApprovalWanted, CampaignDetail, CampaignLeftAlone, CampaignOpened,
    CampaignPaused, CampaignStopped, Completed, Counts, Failed, NewsDetail, Overdue, Paused, Planned,
    RolledBack, Started, StepDone, StepFailed, WaveEnded, WaveSoaked, WaveStarted, schemas,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The examples by the headings above them.
fn examples() -> BTreeMap<String, Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    let text = std::fs::read_to_string(page).unwrap();
    let sections = text.split("### `").skip(1);
    let example = |section: &str| {
        let (name, rest) = section.split_once('`').unwrap();
        let json = rest.split("```json").nth(1)?.split("```").next()?;
        Some((name.to_owned(), serde_json::from_str(json).unwrap_or_else(|error| panic!("{name}: {error}"))))
    };
    sections.filter_map(example).collect()
}

/// What is left of an example when it is read as this and written again.
fn again<T: Serialize + DeserializeOwned>(example: &Value) -> Value {
    let read: T =
        serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{error}: {example}"));
    serde_json::to_value(read).unwrap()
}

#[test]
fn every_event_has_an_example_that_is_one() {
    let examples = examples();
    let titles =
        schemas().into_iter().map(|(_, schema)| schema.get("title").unwrap().as_str().unwrap().to_owned());
    let titles: Vec<String> = titles.collect();
    assert_eq!(titles.len(), examples.len());
    for title in titles {
        let example = examples.get(&title).unwrap_or_else(|| panic!("docs/events.md has no {title}"));
        let read = match title.trim_start_matches("EKS Upgrade ") {
            "Planned" => again::<NewsDetail<Planned>>,
            "Blocked" => again::<NewsDetail<Blocked>>,
            "Approval Wanted" => again::<NewsDetail<ApprovalWanted>>,
            "Started" => again::<NewsDetail<Started>>,
            "Step Done" => again::<NewsDetail<StepDone>>,
            "Paused" => again::<NewsDetail<Paused>>,
            "Overdue" => again::<NewsDetail<Overdue>>,
            "Step Failed" => again::<NewsDetail<StepFailed>>,
            "Failed" => again::<NewsDetail<Failed>>,
            "Completed" => again::<NewsDetail<Completed>>,
            "Rolled Back" => again::<NewsDetail<RolledBack>>,
            "Campaign Opened" => again::<CampaignDetail<CampaignOpened>>,
            "Campaign Left Alone" => again::<CampaignDetail<CampaignLeftAlone>>,
            "Campaign Approval Wanted" => again::<CampaignDetail<CampaignApprovalWanted>>,
            "Campaign Paused" => again::<CampaignDetail<CampaignPaused>>,
            "Wave Started" => again::<CampaignDetail<WaveStarted>>,
            "Wave Ended" => again::<CampaignDetail<WaveEnded>>,
            "Wave Soaked" => again::<CampaignDetail<WaveSoaked>>,
            "Campaign Stopped" => again::<CampaignDetail<CampaignStopped>>,
            "Campaign Completed" => again::<CampaignDetail<Counts>>,
            _ => panic!("this test does not know {title}"),
        };
        assert_eq!(read(example), *example, "{title}");
    }
}
