// The rows of the matrix on whole Debian hosts, but for the large ones. One alone: --test-name-pattern=nginx-signal
import { debianServersSkip } from "../../support/with-lab.ts";
import { testRows } from "./test-rows.ts";

await testRows(({ lab, isLarge = false }) => lab === "systemd" && !isLarge, debianServersSkip);
