"""Parts of a simulated fleet: graphics cards, kinds of workflow, words of names and tags."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """Graphics card of a runner.

    Attributes:
        model: Short name, as in tags and runner names.
        speed: Speed relative to an A100.
        device: Name in ComfyUI's stats.
        memory: Own memory in GiB; 0 if it shares that of its machine.
    """

    model: str
    speed: float
    device: str
    memory: int

    @property
    def tag(self) -> str:
        """Tag of runners with this card."""
        return self.model if self is CPU else f"gpu-{self.model}"


@dataclass(frozen=True, slots=True)
class WorkflowKind:
    """Kind of workflow.

    Attributes:
        name: The workflow's name.
        tags: The workflow's tags.
        seconds: Average duration on an A100.
    """

    name: str
    tags: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """Purpose of a runner: a tag, and the kinds of workflow that it runs.

    At most five kinds, so that ten workflows show each of them.
    """

    tag: str
    kinds: tuple[WorkflowKind, ...]


CPU = Gpu("cpu", 0.08, "cpu", 0)
A100 = Gpu("a100", 1.0, "NVIDIA A100-SXM4-80GB", 80)

CARDS = (
    Gpu("a10g", 0.5, "NVIDIA A10G", 24),
    Gpu("rtx3090", 0.55, "NVIDIA GeForce RTX 3090", 24),
    Gpu("rtx4090", 0.9, "NVIDIA GeForce RTX 4090", 24),
    Gpu("l40s", 0.95, "NVIDIA L40S", 48),
    A100,
    Gpu("h100", 1.8, "NVIDIA H100 80GB HBM3", 80),
)

IMAGE_GENERATION = Purpose(
    "image-generation",
    (
        WorkflowKind("Text to Image Generation", ("text2img", "production"), 32),
        WorkflowKind("Image Upscaling", ("upscale", "production"), 40),
        WorkflowKind("ControlNet Test", ("controlnet", "test"), 46),
        WorkflowKind("Product Inpainting", ("inpaint", "catalogue"), 38),
        WorkflowKind("SDXL Portrait Batch", ("text2img", "sdxl", "batch"), 58),
    ),
)

PURPOSES = (
    IMAGE_GENERATION,
    Purpose(
        "video",
        (
            WorkflowKind("Image to Video", ("video", "img2vid"), 150),
            WorkflowKind("Video Upscaling", ("video", "upscale"), 190),
            WorkflowKind("Frame Interpolation", ("video", "interpolation"), 65),
            WorkflowKind("Text to Image Generation", ("text2img", "storyboard"), 30),
        ),
    ),
    Purpose(
        "training",
        (
            WorkflowKind("LoRA Training Preview", ("lora", "training"), 120),
            WorkflowKind("LoRA Comparison Grid", ("lora", "grid"), 95),
            WorkflowKind("Dataset Captioning", ("caption", "training"), 48),
        ),
    ),
    Purpose(
        "retouch",
        (
            WorkflowKind("Background Removal", ("matting", "catalogue"), 9),
            WorkflowKind("Face Restoration", ("restore", "portrait"), 18),
            WorkflowKind("Inpainting", ("inpaint",), 36),
            WorkflowKind("Outpainting Panorama", ("outpaint", "print"), 64),
            WorkflowKind("Image Upscaling", ("upscale", "print"), 38),
        ),
    ),
    Purpose(
        "research",
        (
            WorkflowKind("ControlNet Test", ("controlnet", "test"), 42),
            WorkflowKind("Depth Map Extraction", ("depth", "controlnet"), 14),
            WorkflowKind("Flux Style Transfer", ("flux", "style"), 52),
            WorkflowKind("Sampler Comparison", ("text2img", "grid", "test"), 85),
        ),
    ),
)

ENVIRONMENTS = ("production", "production", "production", "staging", "staging", "development")

STEMS = ("gpu", "render", "comfy-{card}", "studio-{card}", "lab-{card}", "render-ber", "render-sfo", "batch", "edge")
"""First parts of runner names, followed by a number; `{card}` stands for the card's model."""

HEADER_NAMES = ("Authorization", "X-Api-Key", "CF-Access-Client-Secret")
"""Headers of runners behind a proxy or login."""
