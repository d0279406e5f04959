//! Stub.
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::ids::Token;
use eks_upgrade_core::roll::{Moved, Roll, Verdict, Way};
use eks_upgrade_core::version::Minor;
use jiff::Timestamp;
use crate::error::Answer;
use crate::ports::EksDown;
/// a
pub struct Rolling<'a, I, G> { /// a
 pub inside: &'a I, /// a
 pub groups: &'a G }
/// a
pub struct Wanted { /// a
 pub group: String, /// a
 pub to: Minor, /// a
 pub control_plane: Minor, /// a
 pub way: Way, /// a
 pub surge: u32, /// a
 pub family: String, /// a
 pub drain_limit_s: u32, /// a
 pub may_force: bool, /// a
 pub token: Token }
impl<I: Sync, G: Sync> Rolling<'_, I, G> {
 /// a
 pub async fn pass(&self, _: &ClusterArn, _: &Wanted, _: Option<&Roll>, _: Option<&str>, _: Timestamp) -> Answer<Verdict> { todo!() }
 /// a
 pub async fn make(&self, _: &ClusterArn, _: &Wanted, _: &Moved, _: &Roll) -> Result<Option<Moved>, EksDown> { todo!() }
}
