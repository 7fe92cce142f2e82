//! `--device`: where energies and dynamics are computed.

use super::Globals;
use crate::device::{self, Choice};
use crate::error::{Error, Result};

/// The variable that stands in for the option; tasks of a cluster inherit it.
pub const VARIABLE: &str = "PITA_BENCH_DEVICE";

/// The option.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArgs {
    /// Where to compute: cpu, auto (a GPU if there is one), cuda or cuda:N [default: $PITA_BENCH_DEVICE, else cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Choice>,
}

impl DeviceArgs {
    /// What was asked for.
    ///
    /// # Errors
    /// [`Error::Usage`] for a variable that is not a device.
    pub fn choice(&self) -> Result<Choice> {
        let variable = || match std::env::var(VARIABLE) {
            Ok(text) => text.parse().map_err(|e| Error::Usage(format!("{VARIABLE}={text}: {e}"))),
            Err(_) => Ok(Choice::Cpu),
        };
        self.device.map_or_else(variable, Ok)
    }

    /// Chooses for this process; says on stderr where `auto` fell back to the CPU.
    ///
    /// # Errors
    /// [`Error::NoDevice`] when a GPU was asked for and cannot be had.
    pub fn select(&self, globals: &Globals) -> Result<()> {
        device::select(self.choice()?)?;
        say(globals);
        Ok(())
    }

    /// For a sweep that others will run: they choose where they are, by the variable.
    ///
    /// # Errors
    /// [`Error::Usage`] when the option asks for what the variable does not.
    pub fn leave_to_tasks(&self) -> Result<()> {
        let by_variable = Self { device: None }.choice()?;
        match self.device {
            Some(choice) if choice != by_variable => Err(Error::Usage(format!(
                "--device and --launcher slurm exclude each other: tasks inherit the environment, so set {VARIABLE}={choice}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Notes about the device, on stderr.
pub fn say(globals: &Globals) {
    device::notes().iter().for_each(|note| globals.note(note));
}
