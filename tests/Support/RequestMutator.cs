using System.Text;
using System.Text.Json;

namespace Kotonoha.Tests.Support;

/// <summary>Requests to the server that are right, and what becomes of them when letters, ends and values are changed.</summary>
public static class RequestMutator
{
    /// <summary>One of each kind, for the model <c>tiny</c> and the collection <c>handbook</c>.</summary>
    public static IReadOnlyList<(string Path, string Body)> Good { get; } =
    [
        ("/v1/chat/completions", """
            {"model":"tiny","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]},
             {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},
             {"role":"tool","tool_call_id":"c","content":"d"}],"max_tokens":3,"temperature":0.5,"top_p":0.9,"n":2,"stop":["x"],"seed":1,
             "logprobs":true,"top_logprobs":2,"logit_bias":{"5":1},"tools":[{"type":"function","function":{"name":"f","parameters":
             {"type":"object","properties":{"x":{"type":"integer"}}}}}],"tool_choice":"auto","stream":true,
             "stream_options":{"include_usage":true},"response_format":{"type":"text"}}
            """),
        ("/v1/completions", """{"model":"tiny","prompt":["a","b"],"max_tokens":3,"logprobs":2,"echo":true,"n":2,"best_of":2}"""),
        ("/v1/embeddings", """{"model":"tiny","input":["a","b"],"encoding_format":"base64","dimensions":8}"""),
        ("/v1/responses", """
            {"model":"tiny","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]},
             {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"d"}],
             "max_output_tokens":3,"text":{"format":{"type":"json_object"}},"store":false,"reasoning":{"effort":"low"}}
            """),
        ("/api/chat", """
            {"model":"tiny","messages":[{"role":"user","content":"a"}],"options":{"num_predict":3,"temperature":0.1},"format":"json",
             "stream":false,"think":false,"keep_alive":"5m"}
            """),
        ("/api/generate", """{"model":"tiny","prompt":"a","raw":true,"options":{"num_predict":3,"stop":["x"]}}"""),
        ("/api/embed", """{"model":"tiny","input":"a","truncate":true}"""),
        ("/api/show", """{"model":"tiny"}"""),
        ("/api/knowledge/collections/handbook/search", """{"query":"ferry","limit":3}"""),
        ("/api/knowledge/collections/handbook/ask", """
            {"question":"When does the ferry leave?","stream":true,"history":[{"role":"user","content":"x"}],"threshold":0.4}
            """),
        ("/api/knowledge/collections", """{"name":"c"}"""),
        ("/mcp", """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"ferry","limit":2}}}"""),
    ];

    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1e400", "999999999999999999999", "\"\"", "\"\\ud800\"", "[]", "{}", "[null]", "[[1]]", "\"tiny\"",
        "\"\\u0000\"", "[\"a\",1]", "{\"type\":\"object\"}", "0.5", "\"function\"",
    ];

    /// <summary>A request that is changed in one way; in Latin-1, a byte a character.</summary>
    public static string Mutate(string body, Random random)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentNullException.ThrowIfNull(random);
        switch (random.Next(5))
        {
            case 0:
                // Some bytes are others.
                var letters = body.ToCharArray();
                for (int i = random.Next(1, 4); i > 0; i--)
                    letters[random.Next(letters.Length)] = (char)random.Next(256);
                return new string(letters);
            case 1:
                return body[..random.Next(body.Length)];
            default:
                // A value is another.
                var values = new List<(int Start, int End)>();
                Find(body, values);
                var (start, end) = values[random.Next(values.Count)];
                return string.Concat(body.AsSpan(0, start), Values[random.Next(Values.Length)], body.AsSpan(end));
        }
    }

    // Where values stand, after a colon or at the beginning of an array.
    private static void Find(string body, List<(int Start, int End)> values)
    {
        var reader = new Utf8JsonReader(Encoding.Latin1.GetBytes(body));
        var open = new Stack<int>();
        while (reader.Read())
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    open.Push((int)reader.TokenStartIndex);
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    values.Add((open.Pop(), (int)reader.BytesConsumed));
                    break;
                case JsonTokenType.PropertyName:
                    break;
                default:
                    values.Add(((int)reader.TokenStartIndex, (int)reader.BytesConsumed));
                    break;
            }
    }
}
