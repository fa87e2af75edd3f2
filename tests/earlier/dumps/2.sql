BEGIN TRANSACTION;
CREATE TABLE port104_export (
                id TEXT NOT NULL PRIMARY KEY,
                run_id TEXT NOT NULL,
                destination TEXT NOT NULL,
                state TEXT NOT NULL,
                registered DOUBLE PRECISION NOT NULL,
                ended DOUBLE PRECISION,
                total BIGINT NOT NULL,
                delivered BIGINT NOT NULL,
                failed BIGINT NOT NULL,
                cancelled BIGINT NOT NULL
            );
INSERT INTO "port104_export" VALUES('a313240e30978ab3','b64b5b69418be281','PACS','waiting',1.79603871624277496334e+09,NULL,2,0,0,0);
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
INSERT INTO "port104_group" VALUES('0d21428a73de6f67','FAILS',2097165,'1.2','closed',1.79603871510805845261e+09,1.79603871513220143319e+09,1.79603871613220143323e+09,'idle',1.79603871614315462111e+09,2,NULL,NULL,0,0);
INSERT INTO "port104_group" VALUES('a94c9d77ebdf671e','SENDS',2097165,'1.1','closed',1.79603871512469243998e+09,1.79603871513220143319e+09,1.79603871613220143323e+09,'idle',1.79603871614315462111e+09,2,NULL,NULL,0,0);
INSERT INTO "port104_group" VALUES('b69d10a4fecedac2','LATE',2097165,'1.3','open',1.79603871630171489713e+09,1.79603871630171489713e+09,1.79603873630171489714e+09,'idle',NULL,2,NULL,NULL,0,0);
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
INSERT INTO "port104_instance" VALUES('27c4e94de64c3138','0f/0fcdec90369fea0df7de85b7046f4dfb.dcm',1796038715088295758,1.79603871510417866701e+09,'kept','SENDS','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.1.1','1.1','','a94c9d77ebdf671e');
INSERT INTO "port104_instance" VALUES('27c4e94de64c3138','54/54701a1150e3ae589ed9622ac7d51dc0.dcm',1796038715100295759,1.79603871510029578211e+09,'kept','FAILS','PEER','','1.2.840.10008.5.1.4.1.1.7','1.2.1','1.2','','0d21428a73de6f67');
INSERT INTO "port104_instance" VALUES('27c4e94de64c3138','c8/c85d7d9a94e75278dcc55d67dccb20a1.dcm',1796038715100295759,1.79603871510029578211e+09,'kept','SENDS','PEER','','1.2.840.10008.5.1.4.1.1.7','1.1.2','1.1','','a94c9d77ebdf671e');
INSERT INTO "port104_instance" VALUES('27c4e94de64c3138','1c/1c2f0fab59f063dc225c18fa774a00ba.dcm',1796038715104295759,1.7960387151086285115e+09,'kept','FAILS','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.2.2','1.2','','0d21428a73de6f67');
INSERT INTO "port104_instance" VALUES('27c4e94de64c3138','c7/c715bff3652208db97797043bc8a3301.dcm',1796038716245005793,1.79603871625000047684e+09,'kept','LATE','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.3.1','1.3','','b69d10a4fecedac2');
INSERT INTO "port104_instance" VALUES('27c4e94de64c3138','de/dee0b28ba1ecec470891bfb35f0afc1e.dcm',1796038716245005793,1.79603871625002408027e+09,'kept','LATE','PEER','127.0.0.1','1.2.840.10008.5.1.4.1.1.7','1.3.2','1.3','','b69d10a4fecedac2');
CREATE TABLE port104_job (
                id TEXT NOT NULL PRIMARY KEY,
                group_id TEXT NOT NULL,
                called TEXT NOT NULL,
                priority INTEGER NOT NULL,
                retry_delay DOUBLE PRECISION NOT NULL,
                created DOUBLE PRECISION NOT NULL
            );
INSERT INTO "port104_job" VALUES('efc7c83161308408','0d21428a73de6f67','FAILS',1,20.0,1.79603871614315462111e+09);
INSERT INTO "port104_job" VALUES('b42f5ec5605d056a','a94c9d77ebdf671e','SENDS',1,20.0,1.79603871614315462111e+09);
CREATE TABLE port104_ledger (version INTEGER NOT NULL);
INSERT INTO "port104_ledger" VALUES(2);
CREATE TABLE port104_node (
                node TEXT NOT NULL PRIMARY KEY,
                root TEXT NOT NULL,
                host TEXT NOT NULL,
                started DOUBLE PRECISION NOT NULL
            );
INSERT INTO "port104_node" VALUES('27c4e94de64c3138','/payloads','host',1.7960387149963150024e+09);
CREATE TABLE port104_pause (
                node TEXT NOT NULL,
                destination TEXT NOT NULL,
                why TEXT NOT NULL,
                since DOUBLE PRECISION NOT NULL,
                due DOUBLE PRECISION,
                PRIMARY KEY (node, destination)
            );
CREATE TABLE port104_result (
                run_id TEXT NOT NULL,
                file TEXT NOT NULL,
                destination TEXT NOT NULL,
                node TEXT NOT NULL,
                sop_class TEXT NOT NULL,
                sop_instance TEXT NOT NULL,
                state TEXT NOT NULL,
                why TEXT NOT NULL,
                registered DOUBLE PRECISION NOT NULL, asked DOUBLE PRECISION NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, due DOUBLE PRECISION NOT NULL DEFAULT 0, status INTEGER, ended DOUBLE PRECISION, holder TEXT NOT NULL DEFAULT '', held_until DOUBLE PRECISION NOT NULL DEFAULT 0, cancelling INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (run_id, file, destination)
            );
INSERT INTO "port104_result" VALUES('b64b5b69418be281','runs/b64b5b69418be281/1/output/1.1.1.dcm','PACS','27c4e94de64c3138','1.2.840.10008.5.1.4.1.1.7','1.1.1','waiting','',1.79603871624277496334e+09,1.79603871624277496334e+09,0,1.79603871624277496334e+09,NULL,NULL,'',0.0,0);
INSERT INTO "port104_result" VALUES('b64b5b69418be281','runs/b64b5b69418be281/1/output/1.1.2.dcm','PACS','27c4e94de64c3138','1.2.840.10008.5.1.4.1.1.7','1.1.2','waiting','',1.79603871624277496334e+09,1.79603871624277496334e+09,0,1.79603871624277496334e+09,NULL,NULL,'',0.0,0);
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
INSERT INTO "port104_run" VALUES('7011e144d0d615cc','efc7c83161308408','fail','c1','fails-fail-20261130113836','waiting',1,1,1,1.79603873623800134665e+09,'27c4e94de64c3138',1.79603871614589834216e+09,1.79603871623800134663e+09,'ended with exit code 1; what it wrote is in its log',0,0);
INSERT INTO "port104_run" VALUES('b64b5b69418be281','b42f5ec5605d056a','copy','c0','sends-copy-20261130113836','succeeded',1,1,1,1.79603871614315462111e+09,'27c4e94de64c3138',1.79603871614677882201e+09,1.79603871624277496334e+09,'',0,0);
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
CREATE INDEX port104_run_to_do ON port104_run (pipeline_id, state)
                WHERE state = 'waiting' OR state = 'running';
CREATE INDEX port104_run_to_clean ON port104_run (node, ended)
                WHERE cleaned = 0 AND ended IS NOT NULL;
CREATE INDEX port104_result_waiting ON port104_result (node, destination, due)
                WHERE state = 'waiting';
CREATE INDEX port104_result_waiting_of_time ON port104_result (asked)
                WHERE state = 'waiting';
CREATE INDEX port104_result_sending ON port104_result (holder) WHERE state = 'sending';
CREATE UNIQUE INDEX port104_export_of_run ON port104_export (run_id, destination);
CREATE INDEX port104_export_of_time ON port104_export (registered);
CREATE INDEX port104_export_of_destination ON port104_export (destination, registered);
CREATE INDEX port104_export_not_delivered ON port104_export (state, registered)
                WHERE state <> 'delivered';
COMMIT;
