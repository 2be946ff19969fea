using System.Text.Json.Serialization;

namespace Kotonoha.Rag.Stores;

/// <summary>JSON of what the stores keep, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CollectionInfo))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class StoreJson : JsonSerializerContext;
