// Real servers on whole Debian hosts. One alone: --test-name-pattern=nginx-signal
import { testRows } from "./test-rows.ts";

await testRows("systemd-components");
