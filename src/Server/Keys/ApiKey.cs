namespace Kotonoha.Server.Keys;

/// <summary>What a key lets its holder do. The key itself is kept as a hash only.</summary>
public sealed record ApiKey
{
    /// <summary>Names the key; the second part of the key's text.</summary>
    public required string Id { get; init; }

    /// <summary>A name for people.</summary>
    public required string Name { get; init; }

    /// <summary>The SHA-256 of the whole key, as lower-case hexadecimal digits.</summary>
    public required string Hash { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>When it ends, or null.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>The models that may be used; none named is all.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    /// <summary>The collections that may be used; none named is all.</summary>
    public IReadOnlyList<string> Collections { get; init; } = [];

    /// <summary>On whose behalf collections are searched and filled; null for the whole of them.</summary>
    public string? Tenant { get; init; }

    /// <summary>The groups of the tenant.</summary>
    public IReadOnlyList<string> Groups { get; init; } = [];

    /// <summary>Requests a minute; null for the server's setting.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>Tokens a minute, read and written ones together; null for the server's setting.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Tokens a day by UTC, read and written ones together; null for the server's setting.</summary>
    public long? TokensPerDay { get; init; }

    /// <summary>Whether collections may be made and deleted, and metrics read.</summary>
    public bool IsAdministrator { get; init; }
}
