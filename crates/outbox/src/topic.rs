//! An SNS topic behind the `Topic` port.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;
use eks_upgrade_core::contract::Notification;
use eks_upgrade_pipeline::ports::{NotOut, Topic};

use crate::chain;

/// The topic.
#[derive(Clone, Debug)]
pub struct AwsTopic {
    client: Client,
    arn: String,
}

impl AwsTopic {
    /// The topic of this ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }
}

impl Topic for AwsTopic {
    async fn publish(&self, notification: &Notification) -> Result<(), NotOut> {
        let message = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(&notification.subject)
            .message(&notification.message);
        let sent = message.send().await;
        sent.map(|_| ()).map_err(|error| {
            let why = format!("sns:Publish: {}", chain(&error));
            // What is wrong with a message itself stays so.
            match error.code() {
                Some("InvalidParameter" | "ParameterValueInvalid" | "ValidationException") => {
                    NotOut::Refused(why)
                }
                _ => NotOut::Down(why),
            }
        })
    }
}
