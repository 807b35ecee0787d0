//! What commands show to ordinary users, who may not read the agent's state: the running service answers them.

use muster_shared::protocol::local::{LocalRequest, PackageDetail, Pending};
use serde_json::json;

use super::{Common, Done, reach};

/// `show` for an ordinary user.
pub(super) async fn show(common: &Common, package: &str) -> Done {
    let detail = detail(common, package).await?;
    common.output().answer(&detail, |detail| {
        let row = &detail.row;
        let mut lines = vec![match &row.installed {
            Some(version) => format!("{} {version} is installed", row.package),
            None => format!("{} is not installed", row.package),
        }];
        if !row.version.is_empty() {
            lines.push(format!("offered version: {} ({})", row.version, row.repository));
        } else if !row.repository.is_empty() {
            lines.push(format!(
                "it came from {}, which offers it no more",
                row.repository
            ));
        }
        if let Some(pending) = &row.pending {
            lines.push(format!(
                "the next upgrade: {} {}",
                pending.change.as_str(),
                pending.version
            ));
        }
        lines.push(match (row.allowed.install, row.allowed.remove) {
            (true, true) => "you may install and remove it".to_owned(),
            (true, false) => "you may install it".to_owned(),
            (false, _) => format!("you may not install it: {}", row.allowed.reason),
        });
        lines.push(String::new());
        lines.extend(
            detail
                .attributes
                .iter()
                .map(|(name, value)| format!("{name:<18}: {}", value.replace('\n', "\n "))),
        );
        lines.join("\n")
    });
    Ok(None)
}

/// `log` for an ordinary user: of packages that they asked for.
pub(super) async fn log(common: &Common, package: &str) -> Done {
    let detail = detail(common, package).await?;
    if detail.row.status.is_none() {
        return Err(super::order::not_installed(package));
    }
    let value = json!({
        "package": detail.row.package,
        "status": detail.row.status,
        "log": detail.log,
    });
    common.output().answer(&value, |_value| {
        if detail.log.is_empty() {
            "nothing was written, or somebody else asked for this package".to_owned()
        } else {
            detail.log.clone()
        }
    });
    Ok(None)
}

/// What an ordinary user sees of the pending changes.
pub(super) async fn pending(common: &Common) -> Result<Pending, crate::failure::Failure> {
    reach::ask_for(common, &LocalRequest::Pending).await
}

async fn detail(common: &Common, package: &str) -> Result<PackageDetail, crate::failure::Failure> {
    let request = LocalRequest::Package {
        package: package.to_owned(),
    };
    reach::ask_for(common, &request).await
}
