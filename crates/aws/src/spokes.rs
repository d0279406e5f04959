//! Where AWS is reached: at home, and in the accounts and Regions that the policy names, through their roles.

use std::collections::BTreeMap;
use std::fmt;

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_sdk_eks::config::SharedCredentialsProvider;
use eks_upgrade_core::arn::Home;
use eks_upgrade_core::policy::Spoke;
use eks_upgrade_pipeline::ports::EksDown;
use tokio::sync::Mutex;

/// What is meant to be done in a spoke. The role there tells by the session's name, and lets no other change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Clusters are looked at.
    Reading,
    /// Clusters are changed through EKS.
    Acting,
    /// The inside of clusters is changed, and the groups behind their nodes.
    Inside,
}

impl Session {
    /// The session's name, as `CloudTrail` shows it and the role's policies name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "eks-upgrade",
            Self::Acting => "eks-upgrade-act",
            Self::Inside => "eks-upgrade-kube",
        }
    }
}

/// Home, and the ways to the spokes.
#[derive(Clone, Debug)]
pub struct Spokes {
    sdk: SdkConfig,
    home: Home,
    others: Vec<Spoke>,
    session: Session,
}

/// How a place is reached.
#[derive(Debug, PartialEq, Eq)]
enum Way<'a> {
    /// With the credentials of this process.
    Plain,
    /// By assuming the role of a spoke.
    Role(&'a Spoke),
}

/// Places are reached as the policy says, and no others.
fn way<'a>(home: &Home, spokes: &'a [Spoke], place: &Home) -> Option<Way<'a>> {
    if place == home {
        return Some(Way::Plain);
    }
    if place.partition != home.partition {
        return None;
    }
    let there = |spoke: &&Spoke| spoke.account == place.account && spoke.regions.contains(&place.region);
    let spoke = spokes.iter().find(there)?;
    Some(if place.account == home.account { Way::Plain } else { Way::Role(spoke) })
}

impl Spokes {
    /// Home and these spokes, with the environment's configuration.
    #[must_use]
    pub fn new(sdk: &SdkConfig, home: Home, spokes: Vec<Spoke>, session: Session) -> Self {
        Self { sdk: sdk.clone(), home, others: spokes, session }
    }

    /// What clients of a place are made from; `operation` is what it is wanted for. Nothing is sent. The error, denied:
    /// the place is neither home nor a spoke.
    pub async fn config(&self, operation: &'static str, place: &Home) -> Result<SdkConfig, EksDown> {
        let Self { sdk, home, others, session } = self;
        let region = Region::new(place.region.to_string());
        let config = sdk.clone().into_builder().region(region);
        match way(home, others, place) {
            Some(Way::Plain) => Ok(config.build()),
            Some(Way::Role(spoke)) => {
                let role = format!("arn:{}:iam::{}:role/{}", place.partition, spoke.account, spoke.role);
                // By STS at home: it need not be enabled in the spoke's Region for our account.
                let provider = AssumeRoleProvider::builder(role)
                    .external_id(&spoke.external_id)
                    .session_name(session.name())
                    .configure(sdk)
                    .build()
                    .await;
                let provider = SharedCredentialsProvider::new(provider);
                // Clients of the same place share one session.
                let cache = IdentityCache::lazy().build();
                Ok(config.credentials_provider(provider).identity_cache(cache).build())
            }
            None => {
                let why = format!(
                    "{} of account {} is neither home nor a spoke of the policy; add it to `spokes` there",
                    place.region, place.account
                );
                Err(EksDown { operation, denied: true, why })
            }
        }
    }
}

/// The clients of one service, or of several, one for each place, made when it is first asked for.
pub struct Clients<C> {
    spokes: Spokes,
    make: fn(&SdkConfig) -> C,
    made: Mutex<BTreeMap<Home, C>>,
}

impl<C: Clone> Clients<C> {
    /// None yet; `make` makes them.
    #[must_use]
    pub fn new(spokes: Spokes, make: fn(&SdkConfig) -> C) -> Self {
        Self { spokes, make, made: Mutex::default() }
    }

    /// The client of a place. Nothing is sent before it is used; the errors are those of [`Spokes::config`].
    pub async fn at(&self, operation: &'static str, place: &Home) -> Result<C, EksDown> {
        let mut made = self.made.lock().await;
        if let Some(client) = made.get(place) {
            return Ok(client.clone());
        }
        let client = (self.make)(&self.spokes.config(operation, place).await?);
        made.insert(place.clone(), client.clone());
        Ok(client)
    }
}

impl<C> fmt::Debug for Clients<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("spokes", &self.spokes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_config::BehaviorVersion;

    use super::*;

    fn place(region: &str, account: &str) -> Home {
        Home::of_arn(&format!("arn:aws:lambda:{region}:{account}:function:f")).unwrap()
    }

    fn spoke(account: &str, region: &str) -> Spoke {
        Spoke {
            account: account.parse().unwrap(),
            regions: vec![region.parse().unwrap()],
            role: "eks-upgrade-spoke".into(),
            external_id: "x".into(),
        }
    }

    #[test]
    fn a_place_is_reached_as_the_policy_says_or_not_at_all() {
        let home = place("us-east-1", "123456789012");
        let spokes = [spoke("123456789012", "eu-west-1"), spoke("222222222222", "eu-west-1")];
        assert_eq!(way(&home, &spokes, &home), Some(Way::Plain));
        assert_eq!(way(&home, &spokes, &place("eu-west-1", "123456789012")), Some(Way::Plain));
        assert_eq!(way(&home, &spokes, &place("eu-west-1", "222222222222")), Some(Way::Role(&spokes[1])));
        assert_eq!(way(&home, &spokes, &place("us-east-1", "222222222222")), None);
        assert_eq!(way(&home, &spokes, &place("eu-central-1", "123456789012")), None);
        assert_eq!(way(&home, &spokes, &place("us-east-1", "999999999999")), None);
        let elsewhere = Home { partition: "aws-cn".into(), ..place("eu-west-1", "222222222222") };
        assert_eq!(way(&home, &spokes, &elsewhere), None);
    }

    #[tokio::test]
    async fn clients_are_of_their_place_and_made_once() {
        let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1"));
        let sdk = loader.no_credentials().load().await;
        let there = vec![spoke("222222222222", "eu-west-1")];
        let spokes = Spokes::new(&sdk, place("us-east-1", "123456789012"), there, Session::Inside);
        let config = spokes.config("eks:Any", &place("eu-west-1", "222222222222")).await.unwrap();
        assert_eq!(config.region().map(AsRef::as_ref), Some("eu-west-1"));
        assert!(config.credentials_provider().is_some(), "the role of the spoke");
        let config = spokes.config("eks:Any", &place("us-east-1", "123456789012")).await.unwrap();
        assert!(config.credentials_provider().is_none(), "as this process has them");

        let clients: Clients<Arc<String>> = Clients::new(spokes, |config| {
            config.region().map(ToString::to_string).unwrap_or_default().into()
        });
        let first = clients.at("eks:Any", &place("eu-west-1", "222222222222")).await.unwrap();
        let again = clients.at("eks:Any", &place("eu-west-1", "222222222222")).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let down = clients.at("eks:Any", &place("us-east-1", "999999999999")).await.unwrap_err();
        assert!(down.denied && down.operation == "eks:Any", "{down:?}");
    }
}
