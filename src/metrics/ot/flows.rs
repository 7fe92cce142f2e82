//! Where mass flows: for each column, a linked list of the rows that it comes from.

/// No flow, no row, no column.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Flow {
    row: u32,
    column: u32,
    next: u32,
    mass: u64,
    cost: f64,
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

    /// The flow after this one into the same column.
    pub(super) fn next(&self, flow: u32) -> u32 {
        self.pool[flow as usize].next
    }

    pub(super) fn row(&self, flow: u32) -> usize {
        self.pool[flow as usize].row as usize
    }

    pub(super) fn column(&self, flow: u32) -> usize {
        self.pool[flow as usize].column as usize
    }

    pub(super) fn mass(&self, flow: u32) -> u64 {
        self.pool[flow as usize].mass
    }

    pub(super) fn cost(&self, flow: u32) -> f64 {
        self.pool[flow as usize].cost
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
        let Flow { column, next, mass: ref mut left, .. } = self.pool[flow as usize];
        let column = column as usize;
        if *left > mass {
            self.pool[flow as usize].mass -= mass;
            return;
        }
        self.pool[flow as usize].mass = 0;
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

    /// All flows: `(row, column, mass)`, column by column.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32, u64)> {
        self.first.iter().flat_map(move |&first| {
            let mut at = first;
            std::iter::from_fn(move || {
                (at != NONE).then(|| {
                    let flow = &self.pool[at as usize];
                    at = flow.next;
                    (flow.row, flow.column, flow.mass)
                })
            })
        })
    }
}
