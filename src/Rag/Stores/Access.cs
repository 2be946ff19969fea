using Kotonoha.Foundation;

namespace Kotonoha.Rag.Stores;

/// <summary>Who may see a document: a whole tenant, groups of a tenant, or everybody.</summary>
/// <remarks>
/// It is kept as a set of keys, of which an <see cref="AccessScope"/> must hold one. A document without any is seen by no scope. A single
/// person is a group of one, for example <c>user:alice</c>. Names are compared character by character.
/// </remarks>
public sealed class DocumentAccess : IEquatable<DocumentAccess>
{
    internal const string PublicKey = "public";

    private DocumentAccess(string? tenant, IEnumerable<string> keys)
        => (Tenant, Keys) = (tenant, [.. keys.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);

    /// <summary>Every scope of every tenant sees the document, and none may change it.</summary>
    public static DocumentAccess Public { get; } = new(null, [PublicKey]);

    /// <summary>The tenant that the document belongs to; null for a public one.</summary>
    public string? Tenant { get; }

    /// <summary>What is kept and compared.</summary>
    internal IReadOnlyList<string> Keys { get; }

    /// <summary>Everybody of a tenant sees the document.</summary>
    /// <param name="tenant">The tenant.</param>
    public static DocumentAccess WholeTenant(string tenant) => new(tenant, [TenantKey(tenant)]);

    /// <summary>Members of at least one of the groups see the document.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="groups">The groups, at least one: none would be a document that nobody sees.</param>
    public static DocumentAccess Groups(string tenant, params IEnumerable<string> groups)
    {
        ArgumentNullException.ThrowIfNull(groups);
        string[] keys = [.. groups.Select(group => GroupKey(tenant, group))];
        return keys.Length > 0
            ? new DocumentAccess(tenant, keys)
            : throw new ArgumentException("Name the groups that may see the document, or use WholeTenant.", nameof(groups));
    }

    /// <inheritdoc/>
    public bool Equals(DocumentAccess? other) => other is not null && Tenant == other.Tenant && Keys.SequenceEqual(other.Keys);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as DocumentAccess);

    /// <inheritdoc/>
    public override int GetHashCode() => string.GetHashCode(string.Join(' ', Keys), StringComparison.Ordinal);

    /// <summary>The keys, for messages.</summary>
    public override string ToString() => string.Join(", ", Keys);

    /// <summary>What a store kept; null for nothing, or for what cannot be understood, which then nobody sees.</summary>
    internal static DocumentAccess? FromKeys(IReadOnlyList<string>? keys)
    {
        if (keys is not { Count: > 0 })
            return null;
        if (keys is [PublicKey])
            return Public;
        var tenants = keys.Select(TenantOf).Distinct(StringComparer.Ordinal).ToArray();
        return tenants is [{ } tenant] ? new DocumentAccess(tenant, keys) : null;
    }

    internal static string TenantKey(string tenant) => "tenant:" + Escape(tenant);

    internal static string GroupKey(string tenant, string group) => $"group:{Escape(tenant)}/{Escape(group)}";

    // An escaped name holds neither ':' nor '/', so that no two names make the same key.
    private static string Escape(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        for (int i = 0; i < name.Length; i++)
        {
            if (char.IsControl(name[i]) || (char.IsSurrogate(name[i]) && !char.IsSurrogatePair(name, i)))
                throw new ArgumentException($"The name of a tenant or group has a character at {i} that cannot be kept.", nameof(name));
            if (char.IsSurrogate(name[i]))
                i++;
        }

        return Uri.EscapeDataString(name);
    }

    private static string? TenantOf(string key)
    {
        var (start, end) = key.StartsWith("tenant:", StringComparison.Ordinal) ? (7, key.Length)
            : key.StartsWith("group:", StringComparison.Ordinal) ? (6, key.IndexOf('/', StringComparison.Ordinal))
            : (0, -1);
        return end > start ? Uri.UnescapeDataString(key[start..end]) : null;
    }
}

/// <summary>On whose behalf a call is made: a person of a tenant with the groups they belong to.</summary>
/// <remarks>
/// It sees the documents of the whole tenant, those of its groups, and public ones; a document without access tags it never sees. Whoever
/// calls has to know who the person is: a scope is not a proof of identity.
/// </remarks>
public sealed class AccessScope
{
    private readonly HashSet<string> _keys;

    /// <summary>Creates a scope.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="groups">The groups, possibly none.</param>
    public AccessScope(string tenant, params IEnumerable<string> groups)
    {
        ArgumentNullException.ThrowIfNull(groups);
        Tenant = tenant;
        Groups = [.. groups.Distinct(StringComparer.Ordinal)];
        _keys = [DocumentAccess.PublicKey, DocumentAccess.TenantKey(tenant),
            .. Groups.Select(group => DocumentAccess.GroupKey(tenant, group))];
    }

    /// <summary>The tenant.</summary>
    public string Tenant { get; }

    /// <summary>The groups.</summary>
    public IReadOnlyList<string> Groups { get; }

    /// <summary>The keys of which a document must have one.</summary>
    internal IReadOnlyCollection<string> Keys => _keys;

    /// <summary>Whether a document may be seen.</summary>
    /// <param name="access">Its access tags; null for none, which nobody sees.</param>
    public bool CanRead(DocumentAccess? access) => access is not null && access.Keys.Any(_keys.Contains);

    /// <summary>Whether a document may be written or deleted: it can be read and belongs to the tenant.</summary>
    /// <param name="access">Its access tags.</param>
    public bool CanWrite(DocumentAccess? access) => CanRead(access) && access!.Tenant == Tenant;

    /// <summary>The tenant and its groups, for messages and logs.</summary>
    public override string ToString() => Groups.Count == 0 ? Tenant : $"{Tenant} ({string.Join(", ", Groups)})";
}

/// <summary>The kinds of refusal.</summary>
public enum AccessError
{
    /// <summary>The knowledge base answers nobody without a scope.</summary>
    ScopeRequired,

    /// <summary>The document is not the scope's to write, or its name is taken by one that is not.</summary>
    OutsideScope,

    /// <summary>The call concerns the whole collection, and so cannot be made within a scope.</summary>
    WholeCollection,
}

/// <summary>A call is refused because of who makes it.</summary>
public sealed class AccessException : KotonohaException
{
    internal AccessException(AccessError error, string message)
        : base(message)
        => Error = error;

    /// <summary>Why it is refused.</summary>
    public AccessError Error { get; }
}
