//! The `notify` function: tells the world of every new line of a ledger. Reads the table, and changes nothing.

use eks_upgrade_outbox::events::AwsEvents;
use eks_upgrade_outbox::stream;
use eks_upgrade_outbox::topic::AwsTopic;
use eks_upgrade_pipeline::notify::Notify;
use eks_upgrade_runtime::{Deployment, EVENT_BUS, TOPIC, serve, variable};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let notify = Notify {
        events: AwsEvents::new(&deployment.sdk, variable(EVENT_BUS)?),
        topic: AwsTopic::new(&deployment.sdk, variable(TOPIC)?),
        ledger: deployment.ledger,
    };
    serve(async |event, _| Ok(stream::answer(notify.tell(&stream::records(&event)).await))).await
}
