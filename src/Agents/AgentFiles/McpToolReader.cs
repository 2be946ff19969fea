using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.AgentFiles;

/// <summary>An entry <c>kind: mcp</c> of 'tools': a server of the Model Context Protocol.</summary>
internal sealed class McpToolDefinition(
    YamlNode node, McpServerOptions server, Func<string, bool?> needsApproval, string[] namedForApproval) : ToolDefinition(node)
{
    public McpServerOptions Server => server;

    public override IEnumerable<AIFunction> Open(AgentOpening opening) => opening.Servers[this].Functions;

    public override bool? NeedsApproval(AIFunction function) => needsApproval(function.Name[server.Prefix.Length..]);

    public async Task<McpTools> ConnectAsync(CancellationToken cancellationToken)
    {
        McpTools tools;
        try
        {
            tools = await McpTools.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        }
        catch (McpServerException e)
        {
            throw Node.Error(PromptFileError.Tool, e.Message, e);
        }

        // An approval that is asked for a tool by a wrong name would never be asked for.
        if (namedForApproval.FirstOrDefault(name => tools.Functions.All(function => function.Name != server.Prefix + name))
            is not { } stray)
            return tools;
        await tools.DisposeAsync().ConfigureAwait(false);
        throw Node.Error(PromptFileError.Tool, $"'approvalMode' names the tool '{stray}', which the server '{server.Name}' does not offer; "
            + $"it offers {string.Join(", ", tools.Functions.Select(tool => $"'{tool.Name[server.Prefix.Length..]}'"))}.");
    }
}

/// <summary>
/// Reads <c>kind: mcp</c>. The fields are those of the declarative schema (<c>serverName</c>, <c>serverDescription</c>, <c>connection</c>,
/// <c>url</c>, <c>approvalMode</c>, <c>allowedTools</c>) and, for a server that is a program, those of the usual configuration of MCP
/// clients (<c>command</c>, <c>args</c>, <c>env</c>, <c>headers</c>).
/// </summary>
internal static class McpToolReader
{
    public static McpToolDefinition Read(PromptFields? fields, YamlNode node, PromptFileReading reading, AgentFileOptions options)
    {
        const string needs = "the tool 'mcp' needs 'command' (the program of the server) or 'url' (its address).";
        if (fields is null)
            throw node.Error(PromptFileError.Content, needs);
        fields.Ignore("description", "serverDescription");
        var command = fields.Text("command");
        var url = Address(fields, reading);
        if (command is null && url is null)
            throw node.Error(PromptFileError.Content, needs);
        if (command is not null && url is not null)
            throw node.Error(PromptFileError.Content, "the tool 'mcp' has both 'command' and an address; keep one of them.");
        var name = fields.Text("serverName", "name") ?? (command is null ? new Uri(url!.Value.Text).Host : Path.GetFileName(command));
        string[]? allowed = fields["allowedTools"] is null ? null : [.. fields.List("allowedTools").Select(reading.Text)];
        if (allowed is { Length: 0 })
            throw fields["allowedTools"]!.Error(PromptFileError.Content,
                "'allowedTools' is empty, so the server would be of no use; name tools, or remove the field for all of them.");
        var standard = new McpProcessOptions { Name = name, Command = "" };
        var prefix = fields.Text("prefix") ?? "";
        var callTimeout = AgentFileReader.Seconds(fields, "toolSeconds") ?? standard.CallTimeout;
        var startTimeout = AgentFileReader.Seconds(fields, "startSeconds") ?? standard.StartTimeout;
        int most = AgentFileReader.Whole(fields, "maxLength") ?? standard.MaxResultLength;
        McpServerOptions server = command is not null
            ? Process(command) with
            {
                AllowedTools = allowed,
                Prefix = prefix,
                CallTimeout = callTimeout,
                StartTimeout = startTimeout,
                MaxResultLength = most,
            }
            : new McpHttpOptions
            {
                Name = name,
                Endpoint = new Uri(url!.Value.Text),
                Headers = Texts("headers"),
                AllowedHosts = [.. options.AllowedMcpServers],
                AllowedTools = allowed,
                Prefix = prefix,
                CallTimeout = callTimeout,
                StartTimeout = startTimeout,
                MaxResultLength = most,
            };
        var (needsApproval, named) = Approval(fields, reading, allowed);
        return new McpToolDefinition(node, server, needsApproval, named);

        McpProcessOptions Process(string program)
        {
            if (!options.AllowedMcpServers.Contains(program))
                throw fields["command"]!.Error(PromptFileError.Tool,
                    $"the file starts the program '{program}', which is not allowed; if you "
                    + $"trust the file, allow it (AgentFileOptions.AllowedMcpServers, --allow-mcp {program}).");
            // Paths count from the file's folder, for the program and for what it is given.
            var folder = Path.GetDirectoryName(Path.GetFullPath(reading.Path))!;
            return new McpProcessOptions
            {
                Name = name,
                Command = program.Contains('/') || program.Contains(Path.DirectorySeparatorChar)
                    ? Path.GetFullPath(program, folder)
                    : program,
                Arguments = [.. fields.List("args").Select(reading.Text)],
                Environment = Texts("env"),
                WorkingDirectory = folder,
            };
        }

        Dictionary<string, string> Texts(string field) => fields[field] is not { } map
            ? []
            : map.Members?.ToDictionary(member => member.Key, member => reading.Text(member.Value))
                ?? throw map.Error(PromptFileError.Content, $"'{field}' must be a mapping of names to texts, not {map.Kind}.");
    }

    private static (YamlNode Node, string Text)? Address(PromptFields fields, PromptFileReading reading)
    {
        var node = fields["url"];
        if (fields.Map("connection") is { } connection)
        {
            var kind = connection.Text("kind");
            if (kind != "anonymous")
                throw (connection["kind"] ?? connection.Node).Error(PromptFileError.Content, "the 'kind' of a connection is "
                    + $"'{kind}'; write anonymous with an 'endpoint', and in 'headers' what the server asks for, such as a key.");
            if (node is not null)
                throw node.Error(PromptFileError.Content, "the tool 'mcp' has both 'url' and 'connection'; keep one of them.");
            node = connection["endpoint"] ?? throw connection.Node.Error(PromptFileError.Content,
                "'connection' needs 'endpoint': the address of the server.");
            connection.Check();
        }

        if (node is null)
            return null;
        var text = reading.Text(node);
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" && address.UserInfo.Length == 0
            ? (node, text)
            : throw node.Error(PromptFileError.Content, $"'{text}' is no address of a server; write one such as https://example.com/mcp.");
    }

    private static (Func<string, bool?> NeedsApproval, string[] Named) Approval(
        PromptFields fields, PromptFileReading reading, string[]? allowed)
    {
        if (fields["approvalMode"] is not { } mode)
            return (_ => null, []);
        var kind = reading.Text(mode["kind"] ?? mode);
        if (kind is "always" or "never")
            return (_ => kind == "always", []);
        if (kind != "specify" || mode.Members is null)
            throw mode.Error(PromptFileError.Content,
                $"'approvalMode' is '{kind}'; write always or never, or a mapping with 'kind: specify', "
                + "'alwaysRequireApprovalTools' and 'neverRequireApprovalTools'.");
        var lists = reading.Fields(mode, "'approvalMode'");
        lists.Ignore("kind");
        var always = lists.List("alwaysRequireApprovalTools").Select(reading.Text).ToHashSet(StringComparer.Ordinal);
        var never = lists.List("neverRequireApprovalTools").Select(reading.Text).ToHashSet(StringComparer.Ordinal);
        lists.Check();
        if (always.Overlaps(never))
            throw mode.Error(PromptFileError.Content,
                $"'approvalMode' says always and never of '{always.First(never.Contains)}'; keep one of them.");
        if (allowed is not null && always.Concat(never).FirstOrDefault(name => !allowed.Contains(name)) is { } stray)
            throw mode.Error(PromptFileError.Content, $"'approvalMode' names the tool '{stray}', which is not among 'allowedTools'.");
        return (name => always.Contains(name) ? true : never.Contains(name) ? false : null, [.. always, .. never]);
    }
}
