// The rows of the matrix that need no root. One alone: --test-name-pattern=shop-exec
import { loopbackSkip } from "../../support/with-lab.ts";
import { testRows } from "./test-rows.ts";

await testRows(({ lab }) => lab === "loopback", loopbackSkip);
