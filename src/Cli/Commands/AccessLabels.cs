using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Commands;

/// <summary>Labels and scopes as they are written on the command line.</summary>
internal static class AccessLabels
{
    public const string Help = "Labels of the documents that fit a pattern, as PATTERN=LABEL[,LABEL…]; a label is public, tenant:NAME, "
        + "group:TENANT/NAME or tag:TEXT. May be repeated; the first pattern that fits decides.";

    /// <summary>Reads a rule, such as <c>acme/hr/**=group:acme/hr,tag:internal</c>.</summary>
    public static LabelRule Rule(string text)
    {
        int equals = text.LastIndexOf('=');
        if (equals <= 0 || equals == text.Length - 1)
            throw Wrong(text, "it is PATTERN=LABEL[,LABEL…]");
        var tags = new List<string>();
        var access = new List<(string Tenant, string? Group)>();
        bool isPublic = false;
        foreach (var label in text[(equals + 1)..].Split(','))
        {
            var (kind, name) = label.Split(':', 2) is [var before, { Length: > 0 } after] ? (before, after) : (label, "");
            switch (kind)
            {
                case "public" when name.Length == 0:
                    isPublic = true;
                    break;
                case "tag" when name.Length > 0:
                    tags.Add(name);
                    break;
                case "tenant" when name.Length > 0:
                    access.Add((name, null));
                    break;
                case "group" when name.Split('/', 2) is [{ Length: > 0 } tenant, { Length: > 0 } group]:
                    access.Add((tenant, group));
                    break;
                default:
                    throw Wrong(text, $"'{label}' is not public, tenant:NAME, group:TENANT/NAME or tag:TEXT");
            }
        }

        if ((isPublic && access.Count > 0) || access.Select(entry => entry.Tenant).Distinct(StringComparer.Ordinal).Count() > 1
            || (access.Count > 1 && access.Any(entry => entry.Group is null)))
            throw Wrong(text, "a document is public, or a whole tenant's, or seen by groups of one tenant");
        try
        {
            return new LabelRule(text[..equals], new DocumentLabels
            {
                Tags = tags,
                Access = isPublic ? DocumentAccess.Public
                    : access is [] ? null
                    : access is [(var tenant, null)] ? DocumentAccess.WholeTenant(tenant)
                    : DocumentAccess.Groups(access[0].Tenant, access.Select(entry => entry.Group!)),
            });
        }
        catch (ArgumentException)
        {
            throw Wrong(text, "a name is not empty and has no control characters");
        }
    }

    /// <summary>The scope of a tenant and groups.</summary>
    public static AccessScope Scope(string tenant, IEnumerable<string> groups)
    {
        try
        {
            return new AccessScope(tenant, groups);
        }
        catch (ArgumentException)
        {
            throw new UsageException("--tenant or --group: a name is not empty and has no control characters");
        }
    }

    private static UsageException Wrong(string text, string why) => new($"--label '{text}': {why}");
}
