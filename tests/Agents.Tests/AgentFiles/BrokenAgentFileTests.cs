using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Prompts.Files;

namespace Kotonoha.Agents.Tests.AgentFiles;

/// <summary>Files of agents and workflows that cannot be used: each says its line, its field and what to do.</summary>
public sealed class BrokenAgentFileTests
{
    [Theory]
    [InlineData("kind: Agnt\n", 1, "the kind 'Agnt' is none of an agent; an agent is 'kind: Agent', a workflow 'kind: Workflow'.")]
    [InlineData("name: x\n", 1, "the file has no 'kind'; an agent is 'kind: Agent', a workflow 'kind: Workflow'.")]
    [InlineData("kind: Agent\nname: [x\n", 3, "this is not valid YAML")]
    [InlineData("kind: Agent\ninstrctions: x\n", 2, "the field 'instrctions' is not known here; known are description, displayName, ")]
    [InlineData("kind: Agent\ntools:\n  - calculater\n", 3,
        "the tool 'calculater' is not known; write calculator, clock, read_file, fetch, query or function.")]
    [InlineData("kind: Agent\ntools:\n  - kind: read_file\n    root: nowhere\n", 4, "'root' is '")]
    [InlineData("kind: Agent\ntools:\n  - kind: read_file\n", 3,
        "the tool 'read_file' needs 'root': the folder below which files are read.")]
    [InlineData("kind: Agent\ntools:\n  - kind: clock\n    zone: Atlantis\n", 4,
        "'zone' is 'Atlantis', which is no time zone; write one such as Asia/Tokyo.")]
    [InlineData("kind: Agent\ntools:\n  - kind: clock\n    approvalMode: sometimes\n", 4,
        "'approvalMode' is 'sometimes'; write always or never.")]
    [InlineData("kind: Agent\ntools:\n  - kind: function\n    name: send\n", 3,
        "the tool 'send' is named, and no tools were given; give it (AgentFileOptions.Tools), or remove it.")]
    [InlineData("kind: Agent\nstrategy: guess\n", 2,
        "the strategy 'guess' is not known; write chat, chainOfThought, selfConsistency, react, planAndExecute, treeOfThoughts or "
        + "reflexion.")]
    [InlineData("kind: Agent\nstrategy:\n  kind: react\n  maxSteps: many\n", 4,
        "'maxSteps' must be a whole number of at least 1, not 'many'.")]
    [InlineData("kind: Agent\nstrategy:\n  kind: react\n  samples: 3\n", 4,
        "the field 'samples' is not known here; known are kind, maxSameActions, maxSteps, toolSeconds.")]
    [InlineData("kind: Agent\nstrategy: chainOfThought\ntools: [clock]\n", 2,
        "the strategy 'chainOfThought' calls no tools; write react or planAndExecute, or remove 'tools'.")]
    [InlineData("kind: Agent\nlimits:\n  tokens: 0\n", 3, "'tokens' must be a whole number of at least 1, not '0'.")]
    [InlineData("kind: Agent\nlimits:\n  seconds: 5\n", 3,
        "'limits.seconds' is kept by strategies only; name a 'strategy' (chainOfThought, selfConsistency, react, planAndExecute, "
        + "treeOfThoughts or reflexion), or remove it.")]
    [InlineData("kind: Agent\nlanguage: fr\n", 2, "the language 'fr' is not known; write en, ja or auto.")]
    [InlineData("kind: Agent\ninstructions: ${env:HOME}\n", 2, "the environment variable 'HOME' is not allowed")]
    [InlineData("kind: Workflow\nsequential: [a]\n", 1, "the workflow has no 'agents'.")]
    [InlineData("kind: Workflow\nagents: { a: { instructions: x } }\n", 1,
        "the workflow does not say who works after whom; write one of sequential, concurrent, handoff, groupChat or graph.")]
    [InlineData("kind: Workflow\nagents: { a: { instructions: x } }\nsequential: [a]\nconcurrent: [a]\n", 1,
        "the workflow says 'sequential' and 'concurrent'; keep one of them.")]
    [InlineData("kind: Workflow\nagents:\n  a: { instructions: x }\nsequential:\n  - a\n  - b\n", 6,
        "there is no agent 'b'; the workflow has 'a'.")]
    [InlineData("kind: Workflow\nagents:\n  a: missing.yaml\nsequential: [a]\n", 3, "'a' is the agent in '")]
    [InlineData("kind: Workflow\nagents:\n  a: { name: b }\nsequential: [a]\n", 3,
        "the agent is 'a' in this workflow and 'name' says 'b'; remove 'name', or call it so.")]
    [InlineData("kind: Workflow\nagents: { a: { strategy: react }, b: { strategy: react } }\nhandoff:\n  start: a\n  to:\n    a: b\n", 6,
        "'a' hands over to 'b', which has no 'description'; it is what 'a' chooses by.")]
    [InlineData("kind: Workflow\nagents: { a: { strategy: react } }\ngraph:\n  start: a\n  edges:\n    - { from: a }\n", 6,
        "'to' is missing here: the name of an agent.")]
    [InlineData("kind: Workflow\nagents: { a: { strategy: react } }\ngraph:\n  start: a\n  edges:\n"
        + "    - { from: a, to: a, when: { says: x } }\n", 6,
        "a condition needs 'contains': a text that the last answer holds, in any case.")]
    [InlineData("kind: Workflow\ntrigger:\n  kind: OnConversationStart\n", 3,
        "'trigger' belongs to workflows of actions, which are not run here; write 'agents' and one of sequential, ")]
    public void A_broken_file_says_what_to_mend(string text, int line, string problem)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("agent.yaml", text);
        var error = Assert.Throws<PromptFileException>(() => AgentFile.Load(path));
        Assert.StartsWith($"{path}, line {line}: {problem}", error.Message, StringComparison.Ordinal);
        Assert.Equal(line, error.Line);
    }
}
