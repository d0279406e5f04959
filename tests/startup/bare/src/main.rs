//! A Lambda function that does nothing: the SDK's clients named on its command line, built as the SDK's guide says,
//! and the runtime. What a function of this project needs more than this to start is its own doing.
//!
//! It shares no code with the functions, so that nothing of theirs hides in what they are compared with.

use aws_config::{BehaviorVersion, SdkConfig};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let clients = std::env::args().skip(1).map(|service| Client::new(&service, &sdk));
    // Kept to the end, as a function that uses them would.
    let _clients: Vec<Client> = clients.collect::<Result<_, _>>()?;
    lambda_runtime::run(service_fn(echo)).await
}

async fn echo(event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(event.payload)
}

/// A client of any service that a function has a client of before its first request for work.
#[expect(dead_code, reason = "built to be measured, not to be used")]
enum Client {
    DynamoDb(aws_sdk_dynamodb::Client),
    EventBridge(aws_sdk_eventbridge::Client),
    Health(aws_sdk_health::Client),
    Sfn(aws_sdk_sfn::Client),
    Sns(aws_sdk_sns::Client),
    Sts(aws_sdk_sts::Client),
}

impl Client {
    /// The client of a service by its name on the command line.
    fn new(service: &str, sdk: &SdkConfig) -> Result<Self, String> {
        Ok(match service {
            "dynamodb" => Self::DynamoDb(aws_sdk_dynamodb::Client::new(sdk)),
            "eventbridge" => Self::EventBridge(aws_sdk_eventbridge::Client::new(sdk)),
            "health" => Self::Health(aws_sdk_health::Client::new(sdk)),
            "sfn" => Self::Sfn(aws_sdk_sfn::Client::new(sdk)),
            "sns" => Self::Sns(aws_sdk_sns::Client::new(sdk)),
            "sts" => Self::Sts(aws_sdk_sts::Client::new(sdk)),
            other => return Err(format!("no function has a client of {other} when it starts")),
        })
    }
}
