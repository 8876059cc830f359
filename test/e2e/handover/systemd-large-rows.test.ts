// The rows on whole Debian hosts whose versions are large, beside the others: together they take as long. One alone: --test-name-pattern=workerd
import { debianServersSkip } from "../../support/with-lab.ts";
import { testRows } from "./test-rows.ts";

await testRows(({ lab, isLarge = false }) => lab === "systemd" && isLarge, debianServersSkip);
