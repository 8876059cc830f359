// Skeletons on hosts that need no root. One alone: --test-name-pattern=c-takeover
import { testRows } from "./test-rows.ts";

await testRows("loopback-skeletons");
