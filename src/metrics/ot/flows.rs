//! Where mass flows: for each column, a linked list of the rows that it comes from.

/// No flow, no row, no column.
pub(super) const NONE: u32 = u32::MAX;

/// Mass from a row to a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub row: u32,
    pub column: u32,
    /// The flow after this one into the same column.
    pub next: u32,
    pub mass: u64,
    /// Per unit.
    pub cost: f64,
}

/// Flows by column.
#[derive(Debug, Clone)]
pub(super) struct Flows {
    pool: Vec<Flow>,
    spare: Vec<u32>,
    first: Vec<u32>,
}

impl Flows {
    /// No flow into any of the columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { pool: Vec::with_capacity(columns), spare: vec![], first: vec![NONE; columns] }
    }

    /// First flow into a column.
    pub(super) fn first(&self, column: usize) -> u32 {
        self.first[column]
    }

    pub(super) fn at(&self, flow: u32) -> &Flow {
        &self.pool[flow as usize]
    }

    /// Adds mass from a row to a column at `cost` per unit.
    pub(super) fn add(&mut self, row: u32, column: u32, mass: u64, cost: f64) {
        let first = self.first[column as usize];
        let mut at = first;
        while at != NONE {
            let flow = &mut self.pool[at as usize];
            if flow.row == row {
                flow.mass += mass;
                return;
            }
            at = flow.next;
        }
        let flow = Flow { row, column, next: first, mass, cost };
        self.first[column as usize] = if let Some(slot) = self.spare.pop() {
            self.pool[slot as usize] = flow;
            slot
        } else {
            self.pool.push(flow);
            (self.pool.len() - 1) as u32
        };
    }

    /// Takes mass off a flow; without mass it is gone.
    pub(super) fn take(&mut self, flow: u32, mass: u64) {
        let Flow { column, next, mass: before, .. } = self.pool[flow as usize];
        let column = column as usize;
        self.pool[flow as usize].mass = before.saturating_sub(mass);
        if before > mass {
            return;
        }
        if self.first[column] == flow {
            self.first[column] = next;
        } else {
            let mut at = self.first[column];
            while self.pool[at as usize].next != flow {
                at = self.pool[at as usize].next;
            }
            self.pool[at as usize].next = next;
        }
        self.spare.push(flow);
    }

    /// All flows, column by column.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flow> {
        let some = move |flow: u32| (flow != NONE).then(|| self.at(flow));
        self.first.iter().flat_map(move |&first| std::iter::successors(some(first), move |flow| some(flow.next)))
    }
}
