//! Which agent's program runs the scripts of packages here: the option that run, test and update-sources share.

use std::path::PathBuf;

use clap::Args;

use crate::admin::agent_program::{AgentProgram, AgentProgramError};

#[derive(Debug, Clone, Default, Args)]
pub(super) struct AgentArgument {
    /// The agent's program [default: beside muster, else in PATH]
    #[arg(
        long,
        value_name = "PATH",
        env = "MUSTER_AGENT_PROGRAM",
        hide_env_values = true
    )]
    agent: Option<PathBuf>,
}

impl AgentArgument {
    /// The program meant.
    pub(super) fn find(&self) -> Result<AgentProgram, AgentProgramError> {
        AgentProgram::find(self.agent.as_deref())
    }
}
