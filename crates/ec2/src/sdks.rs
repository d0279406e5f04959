//! The clients of one account and Region.

use aws_config::SdkConfig;

/// Those of the three services.
#[derive(Clone, Debug)]
pub(crate) struct Sdks {
    /// EC2 Auto Scaling.
    pub(crate) scaling: aws_sdk_autoscaling::Client,
    /// EC2.
    pub(crate) compute: aws_sdk_ec2::Client,
    /// SSM, of which public parameters are read.
    pub(crate) parameters: aws_sdk_ssm::Client,
}

impl Sdks {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self {
            scaling: aws_sdk_autoscaling::Client::new(config),
            compute: aws_sdk_ec2::Client::new(config),
            parameters: aws_sdk_ssm::Client::new(config),
        }
    }
}
