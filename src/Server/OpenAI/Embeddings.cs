using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Kotonoha.Server.Http;
using Kotonoha.Server.Models;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary><c>/v1/embeddings</c>.</summary>
internal sealed class Embeddings(Admission admission, ModelPool pool, RequestNotices notices)
{
    private const int MaxTexts = 2048;

    public async Task HandleAsync(HttpContext context)
    {
        var body = await Json.ReadAsync(context).ConfigureAwait(false);
        var inputs = TextOrTokens.Read(body, "input")
            ?? throw ApiException.Invalid("input", "'input' is missing.", "missing_required_parameter");
        if (inputs.Length is 0 or > MaxTexts)
            throw ApiException.Invalid("input", $"'input' has {inputs.Length} texts; from 1 to {MaxTexts}.");
        bool asBase64 = body.Text("encoding_format") switch
        {
            null or "float" => false,
            "base64" => true,
            var other => throw ApiException.Invalid("encoding_format", $"'{other}' is no format; float or base64."),
        };
        var options = new EmbeddingGenerationOptions { Dimensions = body.Integer("dimensions", 1) };
        var model = body.Text("model") ?? pool.Entries.FirstOrDefault(entry => entry.IsEncoder)?.Name ?? pool.Default
            ?? throw ApiException.Invalid("model", "'model' is missing.");
        body.Ignore("user");
        notices.Unknown("embeddings", body);
        var work = await admission.EnterAsync(context, "embeddings", model).ConfigureAwait(false);
        await using var _ = work.ConfigureAwait(false);
        try
        {
            if (options.Dimensions > work.Model.Dimensions)
                throw ApiException.Invalid("dimensions", $"'dimensions' is {options.Dimensions}; vectors of '{model}' have "
                    + $"{work.Model.Dimensions}.");
            var tokenizer = work.Model.Tokenizer;
            var texts = inputs.Select(input => input.For("input", tokenizer, tokenizer.VocabularySize, skipsControlTokens: true).Text);
            var vectors = await work.Model.Embeddings.GenerateAsync(texts, options, work.Token).ConfigureAwait(false);
            work.InputTokens = vectors.Usage?.InputTokenCount ?? 0;
            await Json.WriteAsync(context.Response, new JsonObject
            {
                ["object"] = "list",
                ["data"] = Json.Array(vectors.Select((vector, i) => new JsonObject
                {
                    ["object"] = "embedding",
                    ["index"] = i,
                    ["embedding"] = Vector(vector.Vector, asBase64),
                })),
                ["model"] = model,
                ["usage"] = new JsonObject { ["prompt_tokens"] = work.InputTokens, ["total_tokens"] = work.InputTokens },
            }).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            throw work.Explain(exception);
        }
    }

    public static JsonNode Vector(ReadOnlyMemory<float> vector, bool asBase64)
        => asBase64
            // Little-endian, as all machines that this runs on are.
            ? JsonValue.Create(Convert.ToBase64String(MemoryMarshal.AsBytes(vector.Span)))
            : new JsonArray([.. MemoryMarshal.ToEnumerable(vector).Select(value => (JsonNode?)value)]);
}

/// <summary><c>/v1/models</c>.</summary>
internal sealed class ModelList(ModelPool pool)
{
    public Task ListAsync(HttpContext context)
    {
        var caller = Caller.Of(context);
        return Json.WriteAsync(context.Response, new JsonObject
        {
            ["object"] = "list",
            ["data"] = Json.Array(pool.Entries.Where(entry => caller.MayUseModel(entry.Name)).Select(Describe)),
        });
    }

    public Task GetAsync(HttpContext context, string model)
    {
        var entry = pool.Find(model);
        Caller.Of(context).RequireModel(model);
        return Json.WriteAsync(context.Response, Describe(entry));
    }

    private static JsonObject Describe(ModelEntry entry) => new()
    {
        ["id"] = entry.Name,
        ["object"] = "model",
        ["created"] = new DateTimeOffset(entry.Changed, TimeSpan.Zero).ToUnixTimeSeconds(),
        ["owned_by"] = "kotonoha",
    };
}
