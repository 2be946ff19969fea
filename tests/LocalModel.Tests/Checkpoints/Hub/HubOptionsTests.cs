using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.LocalModel.Tests.Checkpoints.Hub;

public sealed class HubOptionsTests
{
    [Fact]
    public void The_cache_is_where_the_hugging_face_tools_have_it()
    {
        Assert.Equal(Full("/h/.cache/huggingface/hub"), Read(("HOME", "/h")).CacheFolder);
        Assert.Equal(Full("/x/huggingface/hub"), Read(("HOME", "/h"), ("XDG_CACHE_HOME", "/x")).CacheFolder);
        Assert.Equal(Full("/hf/hub"), Read(("HF_HOME", "/hf"), ("XDG_CACHE_HOME", "/x")).CacheFolder);
        Assert.Equal(Full("/old"), Read(("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")).CacheFolder);
        Assert.Equal(Full("/h/new"), Read(("HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "$HOME/new")).CacheFolder);
    }

    [Fact]
    public void The_endpoint_and_offline_mode_come_from_the_environment()
    {
        Assert.Equal(new Uri(HubOptions.DefaultEndpoint), Read().Endpoint);
        Assert.Equal(new Uri("http://mirror:81/hf"), Read(("HF_ENDPOINT", "http://mirror:81/hf/")).Endpoint);
        Assert.False(Read(("HF_HUB_OFFLINE", "0")).Offline);
        Assert.True(Read(("HF_HUB_OFFLINE", "1")).Offline);
        Assert.True(Read(("TRANSFORMERS_OFFLINE", "yes")).Offline);
        Assert.Equal(TimeSpan.FromSeconds(30), Read(("HF_HUB_DOWNLOAD_TIMEOUT", "30")).Timeout);
        Assert.Throws<HubException>(() => Read(("HF_ENDPOINT", "ftp://x")));
        Assert.Throws<HubException>(() => Read(("HF_HUB_DOWNLOAD_TIMEOUT", "soon")));
    }

    [Fact]
    public void The_token_comes_from_the_environment_or_its_file()
    {
        using var home = new TemporaryFolder();
        Assert.Null(Read(("HF_HOME", home.Path)).Token);
        File.WriteAllText(home.At("token"), "hf_file\n");
        Assert.Equal("hf_file", Read(("HF_HOME", home.Path)).Token);
        Assert.Equal("hf_given", Read(("HF_HOME", home.Path), ("HF_TOKEN", "hf_given")).Token);
        Assert.Null(Read(("HF_HOME", home.Path), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).Token);
        File.WriteAllText(home.At("other"), "hf_other");
        Assert.Equal("hf_other", Read(("HF_HOME", home.Path), ("HF_TOKEN_PATH", home.At("other"))).Token);
        Assert.DoesNotContain("hf_file", Read(("HF_HOME", home.Path)).ToString(), StringComparison.Ordinal);
        Assert.Throws<HubException>(() => Read(("HF_TOKEN", "two\nlines")));
    }

    private static string Full(string path) => Path.GetFullPath(path);

    private static HubOptions Read(params (string Name, string Value)[] variables)
        => HubOptions.FromEnvironment(name => variables.FirstOrDefault(v => v.Name == name).Value);
}
