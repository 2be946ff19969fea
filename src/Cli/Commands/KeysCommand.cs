using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Server.Keys;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha keys</c>: who may call the server.</summary>
internal static class KeysCommand
{
    private static readonly Option<string?> Home = new("--home")
    {
        Description = "Where Kotonoha keeps what it makes (default: KOTONOHA_HOME, else .kotonoha).",
        HelpName = "DIR",
        Recursive = true,
    };

    public static Command Create()
    {
        var command = new Command("keys", "Say who may call the server; one that runs notices within a second.")
        {
            Add(), List(), Remove(),
        };
        command.Options.Add(Home);
        return command;
    }

    private static Command Add()
    {
        var name = new Argument<string>("NAME") { Description = "A name for people." };
        var models = Many("--model", "A model that may be used (default: all).");
        var collections = Many("--collection", "A collection that may be used (default: all).");
        var tenant = new Option<string?>("--tenant") { Description = "On whose behalf documents are found and added.", HelpName = "NAME" };
        var groups = Many("--group", "A group of the tenant.");
        var rate = new Option<int?>("--requests-per-minute") { Description = "The most requests a minute.", HelpName = "N" };
        var perMinute = new Option<long?>("--tokens-per-minute") { Description = "The most tokens a minute.", HelpName = "N" };
        var perDay = new Option<long?>("--tokens-per-day") { Description = "The most tokens a day (UTC).", HelpName = "N" };
        var days = new Option<double?>("--days") { Description = "How long the key works (default: for ever).", HelpName = "N" };
        var admin = new Option<bool>("--admin") { Description = "May make and delete collections, and read metrics." };
        var command = new Command("add", "Make a key; it is shown this once.")
        {
            name, models, collections, tenant, groups, rate, perMinute, perDay, days, admin,
        };
        command.SetAction(parsed =>
        {
            if (string.IsNullOrWhiteSpace(parsed.GetValue(name)))
                throw new UsageException("NAME is empty: name who the key is for");
            if (parsed.GetValue(rate) is < 1)
                throw new UsageException("--requests-per-minute: at least 1");
            if (parsed.GetValue(perMinute) is < 1)
                throw new UsageException("--tokens-per-minute: at least 1");
            if (parsed.GetValue(perDay) is < 1)
                throw new UsageException("--tokens-per-day: at least 1");
            if (parsed.GetValue(days) is <= 0 or > 36500)
                throw new UsageException("--days: more than 0, at most 36500");
            string[] memberships = parsed.GetValue(groups) ?? [];
            if (memberships.Length > 0 && parsed.GetValue(tenant) is null)
                throw new UsageException("--group goes with --tenant");
            if (parsed.GetValue(tenant) is { } scope)
                AccessLabels.Scope(scope, memberships);
            var (secret, key) = Open(parsed).Add(new ApiKey
            {
                Id = "",
                Hash = "",
                Name = parsed.GetValue(name)!,
                Models = parsed.GetValue(models) ?? [],
                Collections = parsed.GetValue(collections) ?? [],
                Tenant = parsed.GetValue(tenant),
                Groups = memberships,
                RequestsPerMinute = parsed.GetValue(rate),
                TokensPerMinute = parsed.GetValue(perMinute),
                TokensPerDay = parsed.GetValue(perDay),
                Expires = parsed.GetValue(days) is { } count ? DateTimeOffset.UtcNow.AddDays(count) : null,
                IsAdministrator = parsed.GetValue(admin),
            });
            Console.Error.WriteLine($"The key '{key.Name}' ({key.Id}); it is not kept and cannot be shown again:");
            Console.Out.WriteLine(secret);
            return 0;
        });
        return command;
    }

    private static Command List()
    {
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var command = new Command("list", "List the keys and what each may do.") { json };
        command.SetAction(parsed =>
        {
            foreach (var key in Open(parsed).Keys)
                Console.Out.WriteLine(parsed.GetValue(json)
                    ? JsonLines.Line(writer =>
                    {
                        writer.WriteString("id", key.Id);
                        writer.WriteString("name", key.Name);
                        writer.WriteString("created", key.Created);
                        if (key.Expires is { } end)
                            writer.WriteString("expires", end);
                        writer.WriteString("tenant", key.Tenant);
                        writer.WriteBoolean("administrator", key.IsAdministrator);
                    })
                    : Describe(key));
            return 0;
        });
        return command;
    }

    private static Command Remove()
    {
        var name = new Argument<string>("KEY") { Description = "The id or the name of a key." };
        var command = new Command("remove", "Remove a key.") { name };
        command.SetAction(parsed =>
        {
            var removed = Open(parsed).Remove(parsed.GetValue(name)!);
            if (removed.Count == 0)
                throw new UsageException($"there is no key '{parsed.GetValue(name)}'; 'kotonoha keys list' shows those that are");
            foreach (var key in removed)
                Console.Out.WriteLine($"removed {key.Id} {key.Name}");
            return 0;
        });
        return command;
    }

    private static string Describe(ApiKey key)
    {
        string[] rights =
        [
            .. key.Models.Select(model => $"model {model}"),
            .. key.Collections.Select(collection => $"collection {collection}"),
            .. key.Tenant is { } tenant ? [$"tenant {tenant}"] : Array.Empty<string>(),
            .. key.Groups.Select(group => $"group {group}"),
            .. key.RequestsPerMinute is { } rate
                ? [string.Create(CultureInfo.InvariantCulture, $"{rate} requests a minute")]
                : Array.Empty<string>(),
            .. key.TokensPerMinute is { } perMinute
                ? [string.Create(CultureInfo.InvariantCulture, $"{perMinute} tokens a minute")]
                : Array.Empty<string>(),
            .. key.TokensPerDay is { } perDay
                ? [string.Create(CultureInfo.InvariantCulture, $"{perDay} tokens a day")]
                : Array.Empty<string>(),
            .. key.Expires is { } end
                ? [string.Create(CultureInfo.InvariantCulture, $"until {end:yyyy-MM-dd HH:mm}")]
                : Array.Empty<string>(),
            .. key.IsAdministrator ? ["administrator"] : Array.Empty<string>(),
        ];
        return $"{key.Id}  {key.Name}  {(rights.Length == 0 ? "everything" : string.Join(", ", rights))}";
    }

    private static Option<string[]> Many(string name, string description)
        => new(name) { Description = description + " May be repeated.", HelpName = "NAME", DefaultValueFactory = _ => [] };

    private static KeyFile Open(ParseResult parsed) => new(Path.Combine(Workspace.HomeFolder(parsed.GetValue(Home)), "server"));
}
