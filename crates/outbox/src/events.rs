//! An EventBridge bus behind the `Events` port.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use eks_upgrade_core::news::{News, SOURCE};
use eks_upgrade_pipeline::ports::{Events, NotOut};

use crate::chain;

/// `PutEvents` takes ten at a time.
const ENTRIES_MAX: usize = 10;

/// The bus.
#[derive(Clone, Debug)]
pub struct AwsEvents {
    client: Client,
    bus: String,
}

impl AwsEvents {
    /// The bus of this name.
    #[must_use]
    pub fn new(config: &SdkConfig, bus: String) -> Self {
        Self { client: Client::new(config), bus }
    }

    fn entry(&self, news: &News) -> Result<PutEventsRequestEntry, NotOut> {
        let detail =
            serde_json::to_string(&news.detail).map_err(|error| NotOut::Refused(error.to_string()))?;
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(news.kind.detail_type())
            .set_resources(news.detail.cluster().map(|cluster| vec![cluster.to_string()]))
            .detail(detail)
            .build())
    }
}

impl Events for AwsEvents {
    async fn put(&self, news: &[News]) -> Result<(), NotOut> {
        for some in news.chunks(ENTRIES_MAX) {
            let entries = some.iter().map(|news| self.entry(news)).collect::<Result<Vec<_>, _>>()?;
            let sent = self.client.put_events().set_entries(Some(entries)).send().await;
            let answer = sent.map_err(|error| not_out(error.code(), &chain(&error)))?;
            if let Some(failed) = answer.entries().iter().find(|entry| entry.error_code().is_some()) {
                let message = failed.error_message().unwrap_or_default();
                return Err(not_out(failed.error_code(), message));
            }
        }
        Ok(())
    }
}

/// What is wrong with an event itself stays so.
fn not_out(code: Option<&str>, why: &str) -> NotOut {
    let code = code.unwrap_or("no code");
    let why = format!("events:PutEvents: {code}: {why}");
    match code {
        "MalformedDetail" | "InvalidArgument" | "ValidationException" => NotOut::Refused(why),
        _ => NotOut::Down(why),
    }
}
