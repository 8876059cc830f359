// Real servers on hosts that need no root. One alone: --test-name-pattern=shop-exec
import { testRows } from "./test-rows.ts";

await testRows("loopback-components");
