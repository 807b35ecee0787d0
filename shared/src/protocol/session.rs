//! People signing in, and what they may do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a handler may ask of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    View,
    /// Upload and delete packages of the repository.
    EditPackages,
    /// Replace host packages.
    EditHosts,
    /// Submit signed actions.
    Act,
    /// Enrolment tokens, pending hosts, deletion of hosts.
    Enrol,
    /// Users.
    Administer,
}

/// A named set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Administrator,
    /// Everything but users.
    Deployer,
    Viewer,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Self::Administrator, Self::Deployer, Self::Viewer];

    /// The word that crosses the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Deployer => "deployer",
            Self::Viewer => "viewer",
        }
    }

    /// Whether the role includes a right.
    pub fn has(self, right: Right) -> bool {
        match self {
            Self::Administrator => true,
            Self::Deployer => right != Right::Administer,
            Self::Viewer => right == Right::View,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("{text} is not a role; one of administrator, deployer, viewer"))
    }
}

/// `POST /api/v1/session`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignIn {
    pub user: String,
    pub password: String,
}

/// Answer to [`SignIn`]; the token goes back as `Authorization: Bearer …`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    pub token: String,
    pub user: String,
    pub role: Role,
    pub expires_at: Timestamp,
    /// The server's public name and version.
    pub server: String,
    pub version: String,
}

/// `GET /api/v1/session`: who this is; the token is not repeated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WhoAmI {
    pub user: String,
    pub role: Role,
    pub expires_at: Timestamp,
}
