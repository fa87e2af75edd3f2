BEGIN TRANSACTION;
CREATE TABLE port104_group (
                id TEXT NOT NULL PRIMARY KEY,
                called TEXT NOT NULL,
                tag BIGINT NOT NULL,
                value TEXT NOT NULL,
                state TEXT NOT NULL,
                opened DOUBLE PRECISION NOT NULL,
                last DOUBLE PRECISION NOT NULL,
                due DOUBLE PRECISION,
                reason TEXT,
                closed DOUBLE PRECISION,
                instances BIGINT NOT NULL,
                announced BIGINT,
                follows TEXT,
                with_all INTEGER NOT NULL,
                cleaned INTEGER NOT NULL
            );
INSERT INTO "port104_group" VALUES('33b17b614a3fbd60','FAILS',2097165,'1.2','closed',1.79603872049864888194e+09,1.79603872049864888194e+09,1.79603872149864888197e+09,'idle',1.79603872150966119769e+09,2,NULL,NULL,0,0);
INSERT INTO "port104_group" VALUES('17c9ba69879821d6','SENDS',2097165,'1.1','closed',1.79603872049864888194e+09,1.79603872049864888194e+09,1.79603872149864888197e+09,'idle',1.79603872150966119769e+09,2,NULL,NULL,0,0);
INSERT INTO "port104_group" VALUES('feee76efd0d8a3e0','LATE',2097165,'1.3','open',1.79603872165614509583e+09,1.79603872165614509583e+09,1.79603874165614509584e+09,'idle',NULL,2,NULL,NULL,0,0);
CREATE TABLE port104_instance (
                node TEXT NOT NULL,
                file TEXT NOT NULL,
                written BIGINT NOT NULL,
                received DOUBLE PRECISION NOT NULL,
                state TEXT NOT NULL,
                called TEXT NOT NULL,
                calling TEXT NOT NULL,
                address TEXT NOT NULL,
                sop_class TEXT NOT NULL,
                sop_instance TEXT NOT NULL,
                study TEXT NOT NULL,
                series TEXT NOT NULL,
                group_id TEXT NOT NULL,
                PRIMARY KEY (node, written, file)
            ) WITHOUT ROWID;
INSERT INTO "port104_instance" VALUES('86513b2000f3a392','0f/0fcdec90369fea0df7de85b7046f4dfb.dcm',1796038720400295950,1.79603872044662451739e+09,'kept','SENDS','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.1.1','1.1','','17c9ba69879821d6');
INSERT INTO "port104_instance" VALUES('86513b2000f3a392','c8/c85d7d9a94e75278dcc55d67dccb20a1.dcm',1796038720440295952,1.79603872044665169717e+09,'kept','SENDS','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.1.2','1.1','','17c9ba69879821d6');
INSERT INTO "port104_instance" VALUES('86513b2000f3a392','1c/1c2f0fab59f063dc225c18fa774a00ba.dcm',1796038720444295952,1.79603872044991827007e+09,'kept','FAILS','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.2.2','1.2','','33b17b614a3fbd60');
INSERT INTO "port104_instance" VALUES('86513b2000f3a392','54/54701a1150e3ae589ed9622ac7d51dc0.dcm',1796038720444295952,1.79603872044990563391e+09,'kept','FAILS','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.2.1','1.2','','33b17b614a3fbd60');
INSERT INTO "port104_instance" VALUES('86513b2000f3a392','c7/c715bff3652208db97797043bc8a3301.dcm',1796038721600757943,1.7960387216048190594e+09,'kept','LATE','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.3.1','1.3','','feee76efd0d8a3e0');
INSERT INTO "port104_instance" VALUES('86513b2000f3a392','de/dee0b28ba1ecec470891bfb35f0afc1e.dcm',1796038721600757943,1.79603872160485267643e+09,'kept','LATE','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.3.2','1.3','','feee76efd0d8a3e0');
CREATE TABLE port104_job (
                id TEXT NOT NULL PRIMARY KEY,
                group_id TEXT NOT NULL,
                called TEXT NOT NULL,
                priority INTEGER NOT NULL,
                retry_delay DOUBLE PRECISION NOT NULL,
                created DOUBLE PRECISION NOT NULL
            );
INSERT INTO "port104_job" VALUES('4fe5b117b88430dc','33b17b614a3fbd60','FAILS',1,20.0,1.79603872150966119769e+09);
INSERT INTO "port104_job" VALUES('6d92976a4eedf721','17c9ba69879821d6','SENDS',1,20.0,1.79603872150966119769e+09);
CREATE TABLE port104_ledger (version INTEGER NOT NULL);
INSERT INTO "port104_ledger" VALUES(1);
CREATE TABLE port104_node (
                node TEXT NOT NULL PRIMARY KEY,
                root TEXT NOT NULL,
                host TEXT NOT NULL,
                started DOUBLE PRECISION NOT NULL
            );
INSERT INTO "port104_node" VALUES('86513b2000f3a392','/payloads','host',1.79603872030668759349e+09);
CREATE TABLE port104_result (
                run_id TEXT NOT NULL,
                file TEXT NOT NULL,
                destination TEXT NOT NULL,
                node TEXT NOT NULL,
                sop_class TEXT NOT NULL,
                sop_instance TEXT NOT NULL,
                state TEXT NOT NULL,
                why TEXT NOT NULL,
                registered DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (run_id, file, destination)
            );
INSERT INTO "port104_result" VALUES('93dce0f9b331776f','runs/93dce0f9b331776f/1/output/1.1.1.dcm','PACS','86513b2000f3a392','1.2.840.10008.5.1.4.1.1.7','1.1.1','waiting','',1.79603872158810782427e+09);
INSERT INTO "port104_result" VALUES('93dce0f9b331776f','runs/93dce0f9b331776f/1/output/1.1.2.dcm','PACS','86513b2000f3a392','1.2.840.10008.5.1.4.1.1.7','1.1.2','waiting','',1.79603872158810782427e+09);
CREATE TABLE port104_run (
                id TEXT NOT NULL PRIMARY KEY,
                job_id TEXT NOT NULL,
                pipeline TEXT NOT NULL,
                pipeline_id TEXT NOT NULL,
                name TEXT NOT NULL,
                state TEXT NOT NULL,
                priority INTEGER NOT NULL,
                attempt INTEGER NOT NULL,
                first INTEGER NOT NULL,
                due DOUBLE PRECISION NOT NULL,
                node TEXT,
                started DOUBLE PRECISION,
                ended DOUBLE PRECISION,
                why TEXT NOT NULL,
                to_be_cancelled INTEGER NOT NULL,
                cleaned INTEGER NOT NULL
            );
INSERT INTO "port104_run" VALUES('b29f7b825ae91206','4fe5b117b88430dc','fail','c1','fails-fail-20261130113841','waiting',1,1,1,1.79603874159791874892e+09,'86513b2000f3a392',1.79603872151393151278e+09,1.79603872159791874878e+09,'ended with exit code 1; what it wrote is in its log',0,0);
INSERT INTO "port104_run" VALUES('93dce0f9b331776f','6d92976a4eedf721','copy','c0','sends-copy-20261130113841','succeeded',1,1,1,1.79603872150966119769e+09,'86513b2000f3a392',1.79603872151281476017e+09,1.79603872158810782427e+09,'',0,0);
CREATE INDEX port104_instance_of_group ON port104_instance (group_id);
CREATE INDEX port104_instance_of_study ON port104_instance (study);
CREATE INDEX port104_instance_of_uid ON port104_instance (sop_instance);
CREATE UNIQUE INDEX port104_group_not_closed ON port104_group (called, tag, value)
                WHERE state <> 'closed';
CREATE INDEX port104_group_of_value ON port104_group (called, tag, value, opened);
CREATE INDEX port104_group_due ON port104_group (due) WHERE state = 'open';
CREATE INDEX port104_group_of_time ON port104_group (opened);
CREATE INDEX port104_group_not_closed_of_time ON port104_group (state, opened)
                WHERE state <> 'closed';
CREATE INDEX port104_group_to_clean ON port104_group (closed)
                WHERE state = 'closed' AND cleaned = 0;
CREATE INDEX port104_job_of_group ON port104_job (group_id);
CREATE INDEX port104_job_of_time ON port104_job (created);
CREATE INDEX port104_run_of_job ON port104_run (job_id, state);
CREATE INDEX port104_run_not_succeeded ON port104_run (state, job_id)
                WHERE state <> 'succeeded';
CREATE INDEX port104_result_waiting ON port104_result (destination, registered)
                WHERE state = 'waiting';
CREATE INDEX port104_run_to_do ON port104_run (pipeline_id, state)
                WHERE state = 'waiting' OR state = 'running';
CREATE INDEX port104_run_to_clean ON port104_run (node, ended)
                WHERE cleaned = 0 AND ended IS NOT NULL;
COMMIT;
