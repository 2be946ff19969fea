using System.Text;

namespace Kotonoha.LocalModel.Tests.Checkpoints.Hub;

/// <summary>An answer of the hub of the tests.</summary>
internal sealed record HubReply(int Status, byte[] Body, (string Name, string Value)[] Headers)
{
    public HubReply(int status, byte[]? body = null)
        : this(status, body ?? [], [])
    {
    }

    /// <summary>The connection is cut after so many bytes of the body.</summary>
    public int? CutAfter { get; init; }

    /// <summary>The cut waits for this.</summary>
    public Task Held { get; init; } = Task.CompletedTask;

    public static HubReply Json(string json) => new HubReply(200, Encoding.UTF8.GetBytes(json)).With("Content-Type", "application/json");

    public HubReply With(string name, string value) => this with { Headers = [.. Headers.Where(h => h.Name != name), (name, value)] };
}
