// The first thousand of the 2,000 simulated worlds of every push.
import { testThousandWorlds } from "../support/test-thousand-worlds.ts";

testThousandWorlds(1);
