-- A database of version 1, dumped from one that pita-bench 0.1.0 (code 813b628d) wrote; most scalars left out.
BEGIN TRANSACTION;
CREATE TABLE energy_counts (
    run TEXT NOT NULL, purpose TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (run, purpose)
) STRICT, WITHOUT ROWID;
INSERT INTO "energy_counts" VALUES('19b8957f-s0-a1','annealing',14);
INSERT INTO "energy_counts" VALUES('19b8957f-s0-a1','initial-data',4888);
INSERT INTO "energy_counts" VALUES('19b8957f-s0-a1','refinement',56);
INSERT INTO "energy_counts" VALUES('4377ff95-s0-a1','sampling',28004);
CREATE TABLE metrics (
    run TEXT NOT NULL, metric TEXT NOT NULL, version INTEGER NOT NULL,
    unit TEXT NOT NULL, direction TEXT NOT NULL,
    value REAL, lo REAL, hi REAL, floor REAL, n INTEGER,
    eval TEXT NOT NULL, reference TEXT NOT NULL,
    body TEXT NOT NULL,             -- the metric as in metrics.json
    PRIMARY KEY (run, metric, version)
) STRICT, WITHOUT ROWID;
INSERT INTO "metrics" VALUES('19b8957f-s0-a1','energy-w1',1,'kT','lower',3.31567635864905270177e+01,3.2128321154561980677e+01,3.41587096496289674982e+01,8.02040033922944872735e-01,NULL,'b3c110e78a261684018886e2f7251c4aa6504097bbb079280e1a394ddf782fad','e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23','{"direction":"lower","dropped":0,"floor":0.8020400339229449,"hi":34.15870964962897,"id":"energy-w1","lo":32.12832115456198,"n_reference":100,"n_samples":8,"note":"","reference":"e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23","unit":"kT","value":33.15676358649053,"version":1}');
INSERT INTO "metrics" VALUES('19b8957f-s0-a1','mean-energy',1,'kT','none',1.42996655673333492586e+01,1.36669522004225107991e+01,1.48725595491587387893e+01,NULL,NULL,'b3c110e78a261684018886e2f7251c4aa6504097bbb079280e1a394ddf782fad','e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23','{"direction":"none","dropped":0,"floor":null,"hi":14.872559549158739,"id":"mean-energy","lo":13.66695220042251,"n_reference":0,"n_samples":8,"note":"reference mean -18.8571 kT","reference":"e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23","unit":"kT","value":14.29966556733335,"version":1}');
INSERT INTO "metrics" VALUES('4377ff95-s0-a1','energy-w1',1,'kT','lower',2.51666678852636671592e+01,2.41114783829155463487e+01,2.63483410551646919368e+01,8.02040033922944872735e-01,NULL,'b3c110e78a261684018886e2f7251c4aa6504097bbb079280e1a394ddf782fad','e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23','{"direction":"lower","dropped":0,"floor":0.8020400339229449,"hi":26.348341055164692,"id":"energy-w1","lo":24.111478382915546,"n_reference":100,"n_samples":100,"note":"","reference":"e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23","unit":"kT","value":25.166667885263667,"version":1}');
INSERT INTO "metrics" VALUES('4377ff95-s0-a1','mean-energy',1,'kT','none',6.30956986610648051794e+00,4.99966099925346707522e+00,7.3532309969463,NULL,NULL,'b3c110e78a261684018886e2f7251c4aa6504097bbb079280e1a394ddf782fad','e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23','{"direction":"none","dropped":0,"floor":null,"hi":7.3532309969463,"id":"mean-energy","lo":4.999660999253467,"n_reference":0,"n_samples":100,"note":"reference mean -18.8571 kT","reference":"e65f72bed7a024af9327183fb776ab52a6fe9b42f7ecfbc8a2fda7c2d000ec23","unit":"kT","value":6.3095698661064805,"version":1}');
CREATE TABLE provenance (
    run TEXT PRIMARY KEY, spec TEXT NOT NULL, code TEXT NOT NULL, env TEXT NOT NULL,
    started TEXT, ended TEXT, sessions INTEGER NOT NULL, wall_seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "provenance" VALUES('19b8957f-s0-a1','19b8957f2da38cf5d80b6076ff416c13e7e49cd25cb0f0bb3dd972106f4173d7','813b628d3e11eebfa1c001502b065ee8b3836943d1242629cb98213254a7d674','2e7080a0232741ddee1c17e01d119b827c558e23a8fa95fa0d31b3b5b8da8bac','2026-11-25T09:17:58Z','2026-11-25T09:18:00Z',1,2.047735576);
INSERT INTO "provenance" VALUES('4377ff95-s0-a1','4377ff9554732c91026391f1e66d32622c794414b8d614f7fe2b6048c201cb53','813b628d3e11eebfa1c001502b065ee8b3836943d1242629cb98213254a7d674','2e7080a0232741ddee1c17e01d119b827c558e23a8fa95fa0d31b3b5b8da8bac','2026-11-25T09:17:57Z','2026-11-25T09:17:58Z',1,0.339672357);
CREATE TABLE runs (
    id TEXT PRIMARY KEY,            -- <spec8>-s<seed>-a<attempt>
    spec TEXT NOT NULL,             -- spec digest
    seed INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,           -- complete, failed, interrupted, claimed
    experiment TEXT NOT NULL,
    system TEXT NOT NULL,
    temperature REAL NOT NULL,
    sampler TEXT NOT NULL,
    label TEXT NOT NULL,
    swept TEXT NOT NULL,            -- JSON list of [setting, value]
    evaluations INTEGER NOT NULL,   -- charged
    reason TEXT,                    -- why it failed
    folder TEXT NOT NULL            -- relative to the results folder
) STRICT, WITHOUT ROWID;
INSERT INTO "runs" VALUES('19b8957f-s0-a1','19b8957f2da38cf5d80b6076ff416c13e7e49cd25cb0f0bb3dd972106f4173d7',0,1,'complete','tiny','lj13',2.0,'pita','pita','[]',4958,NULL,'runs/19b8957f2da38cf5/s0/a1');
INSERT INTO "runs" VALUES('4377ff95-s0-a1','4377ff9554732c91026391f1e66d32622c794414b8d614f7fe2b6048c201cb53',0,1,'complete','tiny','lj13',2.0,'md','md','[]',28004,NULL,'runs/4377ff9554732c91/s0/a1');
CREATE TABLE scalars (
    run TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, phase TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, step, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "scalars" VALUES('19b8957f-s0-a1',1,'initial.acceptance','rung 1/2 (T = 4): initial data',5.76622017972562295184e-01);
INSERT INTO "scalars" VALUES('19b8957f-s0-a1',2,'initial.acceptance','rung 1/2 (T = 4): initial data',5.77089781827524239687e-01);
INSERT INTO "scalars" VALUES('19b8957f-s0-a1',3,'initial.acceptance','rung 1/2 (T = 4): initial data',5.78423510661470907656e-01);
INSERT INTO "scalars" VALUES('19b8957f-s0-a1',4,'initial.acceptance','rung 1/2 (T = 4): initial data',6.88520962968346417198e-01);
INSERT INTO "scalars" VALUES('19b8957f-s0-a1',5,'loss.energy_matching','rung 1/2 (T = 4): training',2.76190958269496331925e+03);
INSERT INTO "scalars" VALUES('19b8957f-s0-a1',5,'loss.energy_score','rung 1/2 (T = 4): training',3.67723820194920802961e+00);
CREATE INDEX runs_by_spec ON runs (spec, seed, attempt);
COMMIT;
PRAGMA user_version = 1;
