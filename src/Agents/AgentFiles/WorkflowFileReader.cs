using Kotonoha.Agents.Prompts.Files;
using Microsoft.Agents.AI;
using Microsoft.Agents.AI.Workflows;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.AgentFiles;

/// <summary>Reads <c>kind: Workflow</c>: agents, and in which order they work.</summary>
internal static class WorkflowFileReader
{
    private const string Orders = "sequential, concurrent, handoff, groupChat or graph";
    private const int StandardTurns = 10;

    public static AgentFile Read(YamlNode root, PromptFileReading reading, AgentFileOptions options)
    {
        var fields = reading.Fields(root, "a workflow");
        fields.Ignore("kind", "displayName", "metadata", "id", "version");
        if (fields["trigger"] is { } trigger)
            throw trigger.Error(PromptFileError.Format,
                "'trigger' belongs to workflows of actions, which are not run here; write 'agents' and one of " + Orders + ".");
        var name = fields.Text("name") ?? Path.GetFileNameWithoutExtension(root.Path);
        var description = fields.Text("description");
        var model = fields.Text("model");
        var agents = Agents(fields, root, reading, options);
        string[] given = [.. Orders.Split([", ", " or "], StringSplitOptions.None).Where(order => fields[order] is not null)];
        if (given.Length != 1)
            throw root.Error(PromptFileError.Content, given.Length == 0
                ? $"the workflow does not say who works after whom; write one of {Orders}."
                : $"the workflow says '{given[0]}' and '{given[1]}'; keep one of them.");
        var order = fields[given[0]]!;
        var make = given[0] switch
        {
            "sequential" => Sequential(Names(order, reading, agents)),
            "concurrent" => Concurrent(Names(order, reading, agents)),
            "handoff" => Handoff(reading.Fields(order, "'handoff'"), reading, agents),
            "groupChat" => GroupChat(reading.Fields(order, "'groupChat'"), reading, agents),
            _ => Graph(reading.Fields(order, "'graph'"), reading, agents),
        };
        fields.Check();
        McpToolDefinition[] servers = [.. agents.Values.SelectMany(agent => agent.Servers)];
        return new AgentFile(AgentFileKind.Workflow, name, description, options, reading, servers, opening =>
        {
            // Agents that take no part are not made: they would open a model for nothing.
            var made = new Dictionary<string, AIAgent>(StringComparer.Ordinal);
            AIAgent Made(string agent) => made.TryGetValue(agent, out var known)
                ? known
                : made[agent] = agents[agent].Open(opening, model);
            return make(Made).AsAIAgent(id: name, name: name, description: description, includeExceptionDetails: true);
        }, opening => agents.Values.SelectMany(agent => agent.Tools).SelectMany(tool => tool.Open(opening)));
    }

    private static Dictionary<string, AgentDefinition> Agents(
        PromptFields fields, YamlNode root, PromptFileReading reading, AgentFileOptions options)
    {
        var node = fields["agents"] ?? throw root.Error(PromptFileError.Content, "the workflow has no 'agents'.");
        if (node.Members is not { Count: > 0 } members)
            throw node.Error(PromptFileError.Content, "'agents' must be a mapping of names to agents, or to the files of agents.");
        var agents = new Dictionary<string, AgentDefinition>(StringComparer.Ordinal);
        foreach (var member in members)
            agents.Add(member.Key, member.Value.Members is not null
                ? Named(member, AgentDefinition.Read(member.Value, reading, options, member.Key))
                : FromFile(member, reading, options));
        return agents;

        // One name for an agent: the one that the workflow calls it by.
        static AgentDefinition Named(YamlMember member, AgentDefinition agent) => agent.Name == member.Key
            ? agent
            : throw member.Value["name"]!.Error(PromptFileError.Content,
                $"the agent is '{member.Key}' in this workflow and 'name' says '{agent.Name}'; remove 'name', or call it so.");
    }

    private static AgentDefinition FromFile(YamlMember member, PromptFileReading reading, AgentFileOptions options)
    {
        var path = Path.GetFullPath(reading.Text(member.Value), Path.GetDirectoryName(Path.GetFullPath(member.Value.Path))!);
        AgentFileReader.Within(options, member.Value, path);
        if (!File.Exists(path))
            throw member.Value.Error(PromptFileError.File, $"'{member.Key}' is the agent in '{path}', and there is no such file.");
        var inner = new PromptFileReading(path, reading.Options, options.Texts);
        var root = YamlNode.Parse(inner.Open(path), path);
        foreach (var (file, text) in inner.Files)
            reading.Files[file] = text;
        if (AgentFileReader.KindOf(root) != AgentFileKind.Agent)
            throw root.Error(PromptFileError.Format, "the file is used as an agent and is not 'kind: Agent'.");
        return AgentDefinition.Read(root, inner, options, member.Key, fixedName: member.Key);
    }

    private static Func<Func<string, AIAgent>, Workflow> Sequential(List<string> names)
        => made => AgentWorkflowBuilder.BuildSequential([.. names.Select(made)]);

    private static Func<Func<string, AIAgent>, Workflow> Concurrent(List<string> names)
        => made => AgentWorkflowBuilder.BuildConcurrent([.. names.Select(made)]);

    private static Func<Func<string, AIAgent>, Workflow> Handoff(
        PromptFields fields, PromptFileReading reading, Dictionary<string, AgentDefinition> agents)
    {
        var start = One(fields, "start", reading, agents);
        var to = fields["to"] is { Members: { Count: > 0 } some } ? some
            : throw (fields["to"] ?? fields.Node).Error(PromptFileError.Content,
                "'handoff' needs 'to': a mapping of agents to those that they may hand over to.");
        var ways = to.Select(member =>
            (From: Known(member.Key, member.Line, fields.Node, agents), To: Names(member.Value, reading, agents))).ToList();
        foreach (var (way, member) in ways.Zip(to))
            if (way.To.Find(agent => agents[agent].Description is null) is { } silent)
                throw member.Value.Error(PromptFileError.Content,
                    $"'{way.From}' hands over to '{silent}', which has no 'description'; it is what '{way.From}' chooses by.");
        var instructions = fields.Text("instructions");
        fields.Check();
        return made =>
        {
            var builder = AgentWorkflowBuilder.CreateHandoffBuilderWith(made(start));
            foreach (var (from, others) in ways)
                builder.WithHandoffs(made(from), [.. others.Select(made)]);
            return (instructions is null ? builder : builder.WithHandoffInstructions(instructions)).Build();
        };
    }

    private static Func<Func<string, AIAgent>, Workflow> GroupChat(
        PromptFields fields, PromptFileReading reading, Dictionary<string, AgentDefinition> agents)
    {
        var names = Names(fields["participants"]
            ?? throw fields.Node.Error(PromptFileError.Content, "'groupChat' needs 'participants': who speaks in turn."), reading, agents);
        int turns = AgentFileReader.Whole(fields, "maxTurns") ?? StandardTurns;
        var until = Condition.Read(fields.Map("until"), reading, agents);
        fields.Check();
        return made => AgentWorkflowBuilder
            .CreateGroupChatBuilderWith(all => new RoundRobinGroupChatManager(all, (_, history, _) => new(until?.Holds(history) == true))
            {
                MaximumIterationCount = turns,
            })
            .AddParticipants([.. names.Select(made)]).Build();
    }

    private static Func<Func<string, AIAgent>, Workflow> Graph(
        PromptFields fields, PromptFileReading reading, Dictionary<string, AgentDefinition> agents)
    {
        var start = One(fields, "start", reading, agents);
        int turns = AgentFileReader.Whole(fields, "maxTurns") ?? StandardTurns;
        var edges = fields.List("edges").Select(node =>
        {
            var edge = reading.Fields(node, "an edge");
            var one = new Edge(One(edge, "from", reading, agents), One(edge, "to", reading, agents),
                Condition.Read(edge.Map("when"), reading, agents));
            edge.Check();
            return one;
        }).ToList();
        if (edges.Count == 0)
            throw fields.Node.Error(PromptFileError.Content, "'graph' needs 'edges': a list of {from, to, when}.");
        fields.Check();
        string[] names = [.. edges.SelectMany(edge => (string[])[edge.From, edge.To]).Prepend(start).Distinct()];
        return made => AgentWorkflowBuilder
            .CreateGroupChatBuilderWith(all => new GraphManager(all, start, edges) { MaximumIterationCount = turns })
            .AddParticipants([.. names.Select(made)]).Build();
    }

    private static List<string> Names(YamlNode node, PromptFileReading reading, Dictionary<string, AgentDefinition> agents)
    {
        var names = (node.Items ?? [node]).Select(item => Known(reading.Text(item), item.Line, item, agents)).ToList();
        return names.Count > 0 ? names : throw node.Error(PromptFileError.Content, "at least one agent must be named here.");
    }

    private static string One(PromptFields fields, string field, PromptFileReading reading, Dictionary<string, AgentDefinition> agents)
        => fields[field] is { } node
            ? Known(reading.Text(node), node.Line, node, agents)
            : throw fields.Node.Error(PromptFileError.Content, $"'{field}' is missing here: the name of an agent.");

    private static string Known(string name, int line, YamlNode place, Dictionary<string, AgentDefinition> agents)
        => agents.ContainsKey(name) ? name : throw new PromptFileException(PromptFileError.Content, place.Path, line,
            $"there is no agent '{name}'; the workflow has {string.Join(", ", agents.Keys.Select(agent => $"'{agent}'"))}.");

    private sealed record Edge(string From, string To, Condition? When);

    /// <summary>What must be said for an edge to be taken or a chat to end.</summary>
    private sealed record Condition(string? Agent, string Text)
    {
        public static Condition? Read(PromptFields? fields, PromptFileReading reading, Dictionary<string, AgentDefinition> agents)
        {
            if (fields is null)
                return null;
            var condition = new Condition(fields["agent"] is null ? null : One(fields, "agent", reading, agents),
                fields.Text("contains") ?? throw fields.Node.Error(PromptFileError.Content,
                    "a condition needs 'contains': a text that the last answer holds, in any case."));
            fields.Check();
            return condition;
        }

        public bool Holds(IEnumerable<ChatMessage> history)
            => history.LastOrDefault(message => message.Role == ChatRole.Assistant && message.Text.Length > 0) is { } last
                && (Agent is null || last.AuthorName == Agent) && last.Text.Contains(Text, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Lets the agents speak along the edges of a graph: the first edge whose condition holds, until there is none.</summary>
    private sealed class GraphManager(IReadOnlyList<AIAgent> agents, string start, IReadOnlyList<Edge> edges) : GroupChatManager
    {
        private string? _last;

        protected override ValueTask<AIAgent> SelectNextAgentAsync(
            IReadOnlyList<ChatMessage> history, CancellationToken cancellationToken = default)
        {
            _last = _last is null ? start : Next(history)!.To;
            return new(agents.First(agent => agent.Name == _last));
        }

        protected override async ValueTask<bool> ShouldTerminateAsync(
            IReadOnlyList<ChatMessage> history, CancellationToken cancellationToken = default)
            => (_last is not null && Next(history) is null)
                || await base.ShouldTerminateAsync(history, cancellationToken).ConfigureAwait(false);

        protected override void Reset()
        {
            base.Reset();
            _last = null;
        }

        private Edge? Next(IReadOnlyList<ChatMessage> history)
            => edges.FirstOrDefault(edge => edge.From == _last && edge.When?.Holds(history) != false);
    }
}
