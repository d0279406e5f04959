//! What the decide function replies, whatever it was asked.

use crate::campaign::CampaignAnswer;
use crate::decide::Decided;

/// The answer; on the wire just that.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Replied {
    /// To a question about a run.
    Run(Decided),
    /// To one about a campaign.
    Campaign(CampaignAnswer),
}
