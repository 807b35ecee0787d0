//! `muster-server user`: the users of the console. Works beside a running server.

use clap::Subcommand;
use muster_shared::clock;
use muster_shared::protocol::session::Role;

use super::{Advised, Place, secrets};
use crate::auth::password::PasswordHasher;
use crate::output;
use crate::store::{Store, users};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user; the password is asked for twice
    ///
    /// Roles: administrator (everything), deployer (everything but users), viewer (looks, changes nothing).
    Add {
        name: String,
        #[arg(long, value_name = "ROLE", default_value = "viewer")]
        role: Role,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user a new password; ends the user's sessions and lifts a lock-out
    Passwd {
        name: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users and their roles
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a user and end their sessions
    Remove { name: String },
}

impl User {
    pub(super) async fn execute(self, place: &Place) -> anyhow::Result<()> {
        let config = place.read_config()?;
        let store = Store::open(&config.data_folder().database()).await?;
        let done = self.apply(&store).await;
        store.close().await;
        done
    }

    async fn apply(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::Add {
                name,
                role,
                password_stdin,
            } => {
                let name = users::normalise(&name);
                if !users::is_user_name(&name) {
                    return Err(Advised::new(
                        format!("{name:?} is no user name"),
                        "use 1 to 64 of a-z, 0-9, '.', '_' and '-'",
                    )
                    .into());
                }
                if users::find(store, &name).await?.is_some() {
                    return Err(taken(&name));
                }
                let password = secrets::new_password(&name, password_stdin)?;
                let hash = PasswordHasher::new()?.hash(password).await?;
                match users::insert(store, &name, role, &hash, clock::now()).await {
                    Err(error) if error.is_duplicate() => return Err(taken(&name)),
                    done => done?,
                }
                output::note(format_args!("{name} may sign in now, as {}", role.as_str()));
            }
            Self::Passwd { name, password_stdin } => {
                let name = users::normalise(&name);
                if users::find(store, &name).await?.is_none() {
                    return Err(unknown(&name));
                }
                let password = secrets::new_password(&name, password_stdin)?;
                let hash = PasswordHasher::new()?.hash(password).await?;
                users::set_password(store, &name, &hash, clock::now()).await?;
                output::note(format_args!(
                    "{name} has a new password; all sessions of {name} have ended"
                ));
            }
            Self::List { json } => list(store, json).await?,
            Self::Remove { name } => {
                let name = users::normalise(&name);
                let administrators: Vec<String> = users::list(store)
                    .await?
                    .into_iter()
                    .filter(|user| user.role == Role::Administrator)
                    .map(|user| user.name)
                    .collect();
                if administrators == [name.as_str()] {
                    return Err(Advised::new(
                        format!("{name} is the last administrator"),
                        "add another one first: muster-server user add NAME --role administrator",
                    )
                    .into());
                }
                if !users::remove(store, &name).await? {
                    return Err(unknown(&name));
                }
                output::note(format_args!("{name} is gone"));
            }
        }
        Ok(())
    }
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let users = users::list(store).await?;
    if json {
        let rows: Vec<_> = users
            .iter()
            .map(|user| {
                serde_json::json!({"name": user.name, "role": user.role, "created_at": user.created_at})
            })
            .collect();
        output::line(serde_json::Value::from(rows))?;
        return Ok(());
    }
    for user in users {
        output::line(format_args!("{:<24} {}", user.name, user.role.as_str()))?;
    }
    Ok(())
}

fn taken(name: &str) -> anyhow::Error {
    Advised::new(
        format!("there is a user {name} already"),
        format!("give a new password with `muster-server user passwd {name}`"),
    )
    .into()
}

fn unknown(name: &str) -> anyhow::Error {
    Advised::new(
        format!("there is no user {name}"),
        "`muster-server user list` names the users",
    )
    .into()
}
