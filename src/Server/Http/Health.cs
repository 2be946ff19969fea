using System.Text.Json.Nodes;
using Kotonoha.Server.Keys;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Http;

/// <summary><c>/health/live</c>, <c>/health/ready</c>, <c>/health/loaded</c>: for those who watch, without a key.</summary>
internal sealed class Health(Admission admission, ModelPool pool, Authentication callers, Workload load)
{
    public Task LiveAsync(HttpContext context) => WriteAsync(context, isFine: true, []);

    /// <summary>Whether requests are taken.</summary>
    public Task ReadyAsync(HttpContext context) => WriteAsync(context, !admission.IsStopping, new JsonObject
    {
        ["running"] = load.Running,
        ["waiting"] = load.Waiting,
    });

    /// <summary>Whether a model is in memory, so that an answer begins at once. Names are for callers who need no key.</summary>
    public Task LoadedAsync(HttpContext context)
    {
        var loaded = pool.Loaded;
        var body = new JsonObject { ["loaded"] = loaded.Count, ["bytes"] = loaded.Sum(model => model.Bytes), ["budget"] = pool.Budget };
        if (!callers.IsRequired)
            body["models"] = Json.Array(loaded.Select(model => (JsonNode?)model.Name));
        return WriteAsync(context, loaded.Count > 0, body);
    }

    private static Task WriteAsync(HttpContext context, bool isFine, JsonObject body)
    {
        context.Response.StatusCode = isFine ? 200 : 503;
        body.Insert(0, "status", isFine ? "ok" : "unavailable");
        return Json.WriteAsync(context.Response, body);
    }
}
