using System.Globalization;

namespace Kotonoha.LocalModel.Tests.Checkpoints.Hub;

/// <summary>A request that reached the hub of the tests.</summary>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Path">The decoded path.</param>
/// <param name="OfStore">It reached the host of the large files.</param>
/// <param name="Headers">Its headers.</param>
internal sealed record HubRequest(string Method, string Path, bool OfStore, IReadOnlyDictionary<string, string> Headers)
{
    public bool IsList => Path.StartsWith("/api/", StringComparison.Ordinal);

    /// <summary>The file that it is about.</summary>
    public string File => OfStore ? Path[1..].Split('?')[0]
        : Path.Split($"/resolve/{LoopbackHub.Commit}/") is { Length: 2 } parts ? parts[1] : "";

    /// <summary>The first byte it wants, when it says so.</summary>
    public int? From => Headers.TryGetValue("Range", out var range) ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : null;
}
