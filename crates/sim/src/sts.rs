//! Roles that can be assumed, and the temporary keys that were handed out for them.

use std::collections::BTreeMap;

use crate::fleet::RoleSpec;
use crate::rng::Rng;

/// Letters and digits of an access key id.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What STS knows.
#[derive(Clone, Debug)]
pub(crate) struct Sts {
    pub(crate) roles: Vec<RoleSpec>,
    sessions: BTreeMap<String, Session>,
    rng: Rng,
}

/// Who uses a temporary key.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) account: String,
    /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
    pub(crate) arn: String,
    /// `AROA...:SESSION`.
    pub(crate) user_id: String,
}

/// The parts of a role's ARN: account and name, without its path.
pub(crate) fn role_parts(arn: &str) -> Option<(&str, &str)> {
    let (account, role) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let name = role.strip_prefix("role/")?.rsplit('/').next()?;
    let fits = is_account(account) && !name.is_empty();
    fits.then_some((account, name))
}

/// Twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Sts {
    pub(crate) fn new(roles: Vec<RoleSpec>, seed: u64) -> Self {
        Self { roles, sessions: BTreeMap::new(), rng: Rng::new(seed, "sts") }
    }

    /// Who uses the key, if it was handed out here.
    pub(crate) fn session(&self, key: &str) -> Option<&Session> {
        self.sessions.get(key)
    }

    /// Hands out a key; gives its id.
    pub(crate) fn begin(&mut self, account: &str, role: &str, name: &str) -> String {
        let key = self.letters("ASIA");
        let session = Session {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
            user_id: format!("{}:{name}", self.letters("AROA")),
        };
        self.sessions.insert(key.clone(), session);
        key
    }

    fn letters(&mut self, prefix: &str) -> String {
        let drawn = (0..16).map(|_| {
            let at = usize::try_from(self.rng.next() % 32).unwrap_or(0);
            char::from(ALPHABET.get(at).copied().unwrap_or(b'A'))
        });
        prefix.chars().chain(drawn).collect()
    }

    /// A secret, or a session token: nobody checks it.
    pub(crate) fn secret(&mut self) -> String {
        format!("{}{}", self.letters(""), self.letters(""))
    }
}
